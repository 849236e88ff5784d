"""Learning from experience.

algorithms    ALGORITHMS: the table of algorithms, a row each
settings      Learning: the settings of a learner, and their checks
learner       Learner: an algorithm at work, with its memory
loops         the loop of episodes, compiled where the world has a model
training      train_policy, update_policy
trainer       Trainer: learning step by step, in a world that may change
checkpoints   saving a training, and going on from there to the same bits
checks        checks of the settings that all trainers share
progress      a progress bar for notebooks; the only importer of tqdm
"""
