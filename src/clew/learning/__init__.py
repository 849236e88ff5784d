"""Learning from experience.

algorithms    ALGORITHMS: the table of algorithms, a row each
declarations  Algorithm, Parameter, LearnerSpec: what an algorithm declares, and what its `make` is told
registering   register_algorithm: adds the algorithms of users to the table
settings      Learning: the settings of a learner; the checks of these and of a training
learner       Learner: an algorithm at work, with its values and memory
findings      Finding: what may keep a training from learning
precision     findings and warnings that float32 is too coarse for the rewards of a world
loops         the loops that play episodes and learn from them: compiled, or step by step
metrics       RoundMetrics: the statistics that a training reports
training      train_policy, update_policy
agents        run_agent: agents in plain Python
trainer       Trainer: learning step by step, in a world that may change
checkpoints   saving a training, and continuing it to the same bits
saved_arrays  the state of a training as arrays by name
reporting     checks of the functions and objects that a training reports to
stopping      stop_when_optimal: a rule that ends a training
progress      show_progress: a progress bar for notebooks; the only importer of tqdm
tensorboard   log_to_tensorboard: metrics for TensorBoard; the only importer of tensorboardX
"""
