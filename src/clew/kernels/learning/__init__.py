"""Compiled learning: update rules, exploration strategies, episode loops and merging.

    module                contents
    --------------------  --------------------------------------------------------------------------------------------
    updates               one-step update rules: Q-learning, Sarsa, Expected Sarsa, double Q-learning
    n_step                n-step Sarsa and n-step tree backup
    traces                eligibility traces: Sarsa(lambda), true online Sarsa(lambda), Watkins's Q(lambda)
    episodic              rules that learn at the end of an episode: Monte Carlo control, backward replay
    dyna                  Dyna-Q and Dyna-Q+: planning with remembered transitions
    sweeping              prioritized sweeping, propagation and R-max: planning with a learned model
    queues                the queues of states to back up that `sweeping` uses

    learners              the protocol between update rules and episode loops; step sizes
    behaviours            exploration strategies: epsilon-greedy, softmax and others
    counting              exploration strategies that count tries: UCB, least-tried

    rates                 step size and exploration of each episode
    rollouts              episode loops: learn while acting, record transitions, learn from a record, evaluate
    members               many trainings in one call, which differ by their streams of random numbers
    interleaving          the learning loop with several episodes at a time
    learn_while_acting    an actor with values of its own, and a learner that learns from its steps
    merging               combine the tables that several learners made of one
    boundary_values       values of states outside a section of a world, set by other learners
    stepping              many copies of a world, stepped together for a vector environment; nothing is learned

A new update rule is a named tuple of its tables, settings and memory, with kernels registered for `learners.learn` and,
if it needs them, for `begin_episode`, `end_episode` and `next_action_order`; `updates` has the shortest examples.
"""
