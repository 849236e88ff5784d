"""`python -m clew.testing` is the process in which `check_algorithm` runs its checks; see `clew.testing.process`."""

from clew.testing.process import main

if __name__ == "__main__":
    main()
