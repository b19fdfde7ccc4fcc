import subprocess
import sys

SCRIPT = """
import os
os.umask(0o077)
from agents import sandbox
job = sandbox.Job("import json\\ndef handler(event):\\n    return json.dumps(event)", {"a": 1})
outcome = sandbox.run(job, runtime="cpython", host=lambda call: None)
print(outcome.output if outcome.error is None else outcome.error)
sandbox.close()
"""


def test_a_strict_umask_of_the_host_leaves_the_library_readable(cpython: None) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == '{"a": 1}\n'
