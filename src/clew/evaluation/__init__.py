"""Values of a policy, and its comparison with the optimum.

exact       policy_values, policy_steps: values and steps of a given policy, solved from the model
gain        policy_gain: reward per step of a policy in the long run
statistics  policy_statistics: how often states are visited, hitting times and probabilities
grades      evaluate_policy, evaluate_values: played episodes and exact grades, compared with the optimum
results     Evaluation, Grade: what these return
"""
