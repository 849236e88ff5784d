"""The command line: parsing and printing. `python -m clew --help` lists its commands.

main            the commands train, solve, evaluate and generate, and how errors end the program
show_commands   play, render, graph, plot, serve
list_commands   algorithms, worlds, info, bench
options         options made from the settings, and arguments that several commands share
terminal        tables, figures and drawings of results
live            `--watch`: learning drawn while it happens, and `clew play`; `palette` has its colours
waiting         the line that says how far long work is
interruption    Ctrl-C
"""
