"""Models of finite worlds.

mdp      FiniteMDP: the model of a finite Markov decision process, and its constructors
grids    the model of a grid, and checks of its settings
arrays   conversion of tables of probabilities and rewards
rows     conversion of functions and of the transition tables of Gymnasium's environments
files    reading and writing models
checks   validation of models
"""
