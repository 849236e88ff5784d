"""The command line: parsing and printing. `clew --help` lists its commands.

main            the commands train, evaluate, solve and generate, and how errors end the program
show_commands   play, render, graph, plot, serve
list_commands   algorithms, worlds, info, bench
completion      the script by which a shell completes commands and options
options         options made from the settings, and arguments that several commands share
terminal        tables, figures and drawings of results
live            `--watch`, which draws the values while they are learned, and `clew play`; `palette` has its colours
waiting         the progress line, and log messages
interruption    Ctrl-C

A command imports what it needs in its own body, so that help and usage errors cost no more than Typer.
"""
