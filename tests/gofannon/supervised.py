"""A supervisor over trivial commands, for the tests: `python -m tests.gofannon.supervised DIRECTORY SHELL-COMMAND ...`.

The child of the n-th command is called `c<n>`; a command that begins with `once:` runs once, one with `last:` is
stopped after the others.
"""

import os
import sys
from pathlib import Path

from gofannon.supervisor.child import Child, Program
from gofannon.supervisor.loop import Supervisor


def main(directory: Path, commands: list[str]) -> None:
    supervisor = Supervisor(grace=1.0)
    for number, text in enumerate(commands):
        mode = next((mode for mode in ("once:", "last:") if text.startswith(mode)), "")
        name = f"c{number}"
        supervisor.add(
            Child(
                Program(
                    name,
                    ("/bin/sh", "-c", text.removeprefix(mode)),
                    dict(os.environ),
                    cwd=directory,
                    log=directory / f"{name}.log",
                    respawn=mode != "once:",
                    last=mode == "last:",
                )
            )
        )
    supervisor.run()
    supervisor.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
