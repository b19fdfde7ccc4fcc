"""Attempts to use more than a run may, and to hurt the caller by what is sent to it."""

from agents.sandbox.specs import Limits

from .attempt import Escape, handler

_BUSY = Limits(wall_seconds=8.0, cpu_seconds=0.2, memory_bytes=96 << 20)

ESCAPES = [
    Escape(
        "memory_list",
        "fill memory with objects",
        handler("x = []", "while True: x.append(bytearray(1 << 20))"),
        ends=("memory_limit",),
    ),
    Escape(
        "memory_at_once", "ask for a lot at once", handler("return len(bytearray(1 << 34))"), ends=("memory_limit",)
    ),
    Escape(
        "memory_mmap",
        "fill memory with mappings",
        handler(
            "import mmap",
            "x = []",
            "while len(x) < 10000:",
            "    m = mmap.mmap(-1, 1 << 20); m.write(b'x' * (1 << 20)); x.append(m)",
            "return len(x)",
        ),
        ends=("memory_limit",),
    ),
    Escape("descriptors", "use up descriptors", handler("for i in range(5000): os.dup(0)", "return True")),
    Escape(
        "sockets",
        "use up socket buffers",
        handler("keep = [socket.socketpair() for i in range(500)]", "return len(keep)"),
    ),
    Escape(
        "processor",
        "compute for ever, deaf to signals",
        handler(
            "import signal",
            "for s in (signal.SIGXCPU, signal.SIGPROF): signal.signal(s, signal.SIG_IGN)",
            "while True: pass",
        ),
        ends=("cpu_limit", "time_limit"),
        limits=_BUSY,
    ),
    Escape(
        "big_power",
        "compute for ever inside C",
        handler("return (9 ** 9 ** 9) % 7"),
        ends=("cpu_limit", "memory_limit", "time_limit"),
        limits=_BUSY,
    ),
    Escape(
        "regular_expression",
        "search for ever inside C",
        handler("import re", "return re.match('(a+)+$', 'a' * 60 + 'b')"),
        ends=("cpu_limit", "time_limit"),
        limits=_BUSY,
    ),
    Escape(
        "sleep",
        "sleep for ever",
        handler("import time", "time.sleep(1000); return True"),
        ends=("time_limit",),
        limits=Limits(wall_seconds=0.5),
    ),
    Escape(
        "flood",
        "print 100 MB",
        handler("for i in range(1600): print('x' * 65536)", "return True"),
        ends=("stdout_too_large",),
    ),
    Escape(
        "flood_raw",
        "write 100 MB to the output",
        handler("for i in range(1600): os.write(1, b'x' * 65536)", "return True"),
        ends=("stdout_too_large",),
    ),
    Escape(
        "large_result",
        "return 50 MB",
        handler("return 'x' * 50_000_000"),
        ends=("output_too_large",),
        limits=Limits(wall_seconds=8.0),
    ),
    Escape(
        "call_flood",
        "call the host without end",
        handler("while True: log('x')"),
        ends=("host_call_limit",),
        limits=Limits(wall_seconds=4.0, host_calls=20),
    ),
    Escape(
        "recursion",
        "recurse without end",
        handler("sys.setrecursionlimit(10**9)", "def f(): return f()", "return f()"),
        ends=("code_exited", "code_error", "cpu_limit", "memory_limit", "time_limit"),
        limits=_BUSY,
    ),
    Escape("segfault", "crash", handler("ctypes.string_at(0)"), ends=("code_exited",)),
    Escape(
        "forged_giant",
        "announce a result of 4 GB",
        handler("import time", "os.write(3, struct.pack('!BI', 3, 2**32 - 1)); time.sleep(1)"),
        ends=("output_too_large",),
    ),
    Escape(
        "forged_call_giant",
        "announce a call of 1 GB",
        handler("import time", "os.write(3, struct.pack('!BI', 2, 1 << 30)); time.sleep(1)"),
        ends=("code_exited",),
    ),
    Escape(
        "forged_kind",
        "send frames of no kind",
        handler("import time", "os.write(3, b'\\xff' * 4096); time.sleep(1)"),
        ends=("code_exited",),
    ),
    Escape(
        "forged_number",
        "send an infinite number",
        handler("import time", "os.write(3, struct.pack('!BI', 3, 5) + b'1e999'); time.sleep(1)"),
        ends=("code_exited",),
    ),
    Escape(
        "forged_depth",
        "send JSON that overflows the parser",
        handler(
            "import time", "os.write(3, struct.pack('!BI', 3, 200000) + b'[' * 100000 + b']' * 100000); time.sleep(1)"
        ),
        ends=("code_exited",),
    ),
    Escape(
        "forged_text",
        "send half a surrogate pair",
        handler("import time", "os.write(3, struct.pack('!BI', 3, 8) + b'\"\\\\ud800\"'); time.sleep(1)"),
        ends=("code_exited",),
    ),
    Escape(
        "forged_failure",
        "pretend a fault of the sandbox, to be run again",
        handler(
            "import time, json",
            "body = json.dumps({'code': 'sandbox_failed', 'message': 'x', 'traceback': '', 'line': None}).encode()",
            "os.write(3, struct.pack('!BI', 4, len(body)) + body); time.sleep(1)",
        ),
        ends=("code_error",),
    ),
    Escape(
        "forged_ids",
        "number calls twice",
        handler(
            "import time, json",
            "body = json.dumps({'id': 1, 'name': 'log', 'arguments': {'message': 'x'}, 'way': 'here'}).encode()",
            "os.write(3, (struct.pack('!BI', 2, len(body)) + body) * 2); time.sleep(1)",
        ),
        ends=("code_exited",),
    ),
    Escape(
        "forged_tool",
        "call a tool that is not the agent's",
        handler(
            "import json",
            "body = json.dumps({'id': 1, 'name': 'tool:admin.delete', 'arguments': {}, 'way': 'sync'}).encode()",
            "os.write(3, struct.pack('!BI', 2, len(body)) + body)",
            "return repr(os.read(3, 1000))",
        ),
        ends=("code_exited",),
    ),
    Escape(
        "idle_without_calls",
        "wait for an input that none can give",
        handler(
            "import time",
            "import json",
            "body = json.dumps({'clock': 0, 'timer': None}).encode()",
            "os.write(3, struct.pack('!BI', 7, len(body)) + body); time.sleep(1)",
        ),
        ends=("code_exited",),
    ),
    Escape(
        "idle_flood",
        "say without end that it waits",
        "async def run(event):\n"
        "    import json\n"
        "    call_llm('x')\n"
        '    body = b\'{"clock":0,"timer":9}\'\n'
        "    for i in range(100000): os.write(3, struct.pack('!BI', 7, len(body)) + body)\n",
        ends=("code_exited",),
    ),
    Escape(
        "forged_time",
        "have its clock show what no clock shows",
        "async def run(event):\n"
        "    call_llm('x')\n"
        '    body = b\'{"clock":-1,"timer":1e300}\'\n'
        "    os.write(3, struct.pack('!BI', 7, len(body)) + body)\n"
        "    import time; time.sleep(1)\n",
        ends=("code_exited",),
    ),
    Escape(
        "closed_line",
        "close its line and go on",
        handler("import time", "os.close(3); time.sleep(1000)"),
        ends=("code_exited",),
    ),
    Escape(
        "deaf",
        "read no replies while calling",
        handler(
            "import json, time",
            "for i in range(1, 200):",
            "    body = {'id': i, 'name': 'log', 'arguments': {'message': 'x' * 50000}, 'way': 'here'}",
            "    body = json.dumps(body).encode()",
            "    os.write(3, struct.pack('!BI', 2, len(body)) + body)",
            "time.sleep(1000)",
        ),
        ends=("time_limit",),
        limits=Limits(wall_seconds=1.0),
    ),
]
