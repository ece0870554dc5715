"""`python -m runner`."""

import os
import sys

if __name__ == "__main__":
    from runner.signals import end_at_once

    end_at_once()  # first of all: the imports take the most time of a start

    from runner.cli import main

    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever was reading has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
