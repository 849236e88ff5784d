"""The command line as a module: `python -m clew`."""

import sys

try:
    from clew.cli.main import program
except KeyboardInterrupt:  # while modules are imported
    sys.exit(130)

if __name__ == "__main__":
    program()
