"""Models of finite worlds.

mdp           FiniteMDP: the model of a finite Markov decision process
constructors  its constructors from functions, arrays, tables and environments, which use:
arrays        conversion of arrays of probabilities and rewards
rows          conversion of functions and of the transition tables of Gymnasium's environments
tables        conversion of tables with a row per transition, also from CSV files
vectorized    conversion of functions of arrays
estimates     estimation of models from logged steps
availability  actions that aren't available in a state
grids         the model of a grid, and checks of its settings
labels        names of states and actions
files         reading and writing models
checks        validation of models
"""
