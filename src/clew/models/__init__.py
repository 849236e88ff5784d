"""Models of finite worlds.

mdp      FiniteMDP: the model of a finite Markov decision process
arrays   models made from tables of probabilities and rewards
rows     models made from functions and from environments' own tables
files    models in files
checks   what every model must satisfy
"""
