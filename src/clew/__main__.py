"""The door of the command line: Ctrl-C is answered even while the rest is being imported."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run `clew`; see `clew.cli.main`."""
    try:
        from clew.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("clew: stopped\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
