"""Run as a script before a program takes over: leave it nothing but descriptors 0 and 1, and no core dumps.

The program that starts monty's workers hands on whatever descriptors its own process was started with.
"""

import os
import resource
import sys


def main() -> None:
    """Become the command in the arguments."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)
    os.closerange(3, 1 << 20)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - a fixed command of ours


if __name__ == "__main__":
    main()
