"""The command `charrnn`, and `python -m charrnn`."""

import sys


def main() -> None:
    """Runs the command. Ctrl-C is no bug either while Python is still reading its code."""
    try:
        from charrnn.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
