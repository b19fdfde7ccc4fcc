import pytest

from tests.agents.sandbox.support import run

GOOD = "import json, math\ndef handler(event):\n    return [json.dumps({'a': 1}), math.floor(2.5), len(str(log))> 0]"
GOOD_OUTPUT = ['{"a": 1}', 2, True]

BAD = [
    "import json\ndef handler(event):\n    json.dumps = None\n    return 1",
    "import builtins\nbuiltins.len = None\ndef handler(event):\n    return 1",
    "import sys\ndef handler(event):\n    sys.modules.clear()\n    return 1",
    "import os\ndef handler(event):\n    os.closerange(0, 64)",
    "import gc, types\ndef handler(event):\n    for o in gc.get_objects():\n"
    "        if type(o) is dict and '__name__' in o and o is not globals(): o.clear()",
    "import os\ndef handler(event):\n    os._exit(0)",
    "import ctypes\ndef handler(event):\n    ctypes.string_at(0)",
    "def handler(event):\n    x = []\n    while True: x.append(bytearray(1 << 20))",
]


@pytest.mark.parametrize("code", BAD)
def test_the_next_run_is_unaffected(cpython: None, code: str) -> None:
    run(code, memory_bytes=64 << 20, wall_seconds=5)
    assert run(GOOD).output == GOOD_OUTPUT


MONTY_BAD = [
    "import math\ndef handler(event):\n    math.floor = None\n    return 1",
    "def len(x):\n    return None\ndef handler(event):\n    return 1",
    "def handler(event):\n    x = []\n    while True: x.append('x' * 1000)",
    "def handler(event):\n    while True: pass",
]


@pytest.mark.parametrize("code", MONTY_BAD)
def test_montys_next_run_is_unaffected(monty: None, code: str) -> None:
    run(code, runtime="monty", memory_bytes=16 << 20, cpu_seconds=0.2)
    assert run(GOOD, runtime="monty").output == GOOD_OUTPUT
