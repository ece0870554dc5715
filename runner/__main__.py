"""`python -m runner`."""

import sys

if __name__ == "__main__":
    from runner.signals import end_at_once

    end_at_once()  # first of all: the imports take the most time of a start

    from runner.cli import main

    sys.exit(main())
