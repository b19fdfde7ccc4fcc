"""The table of escapes for monty: its attack surface is the interpreter, so the attempts are plain Python."""

from agents.sandbox.specs import Limits

from .attempt import Escape

_SMALL = Limits(wall_seconds=20.0, cpu_seconds=0.5, memory_bytes=32 << 20)


def _try(name: str, attempt: str, *lines: str) -> Escape:
    """An attempt whose last line gives the evidence; any exception of Python is a refusal."""
    *first, last = lines
    body = [*first, f"return {last}"]
    code = "\n".join(["def handler(event):", "    try:", *(f"        {line}" for line in body)])
    return Escape(name, attempt, f"{code}\n    except Exception:\n        return None\n", limits=_SMALL)


def _imports(name: str, attempt: str, module: str, use: str) -> Escape:
    return _try(name, attempt, f"import {module}", use)


def _breach(name: str, attempt: str, code: str, *ends: str, limits: Limits = _SMALL) -> Escape:
    return Escape(name, attempt, f"def handler(event):\n    {code}\n", ends=ends, limits=limits)  # type: ignore[arg-type]


ESCAPES = [
    _try("read_passwd", "read a file of the host", "open('/etc/passwd').read()"),
    _try("read_project", "read this very project", "open(event['project']).read()"),
    _try("read_by_climbing", "read a file by ../..", "open('../../../../etc/hostname').read()"),
    _try("read_own_environment", "read /proc/self/environ", "open('/proc/self/environ').read()"),
    _try("read_pathlib", "read through pathlib", "from pathlib import Path", "Path('/etc/passwd').read_text()"),
    _try("list_pathlib", "list through pathlib", "from pathlib import Path", "list(Path('/').iterdir())"),
    _try("exists_pathlib", "ask for a file's existence", "from pathlib import Path", "Path('/etc/passwd').exists()"),
    _try("write_tmp", "write a file", "open(event['directory'] + '/w', 'w').write('x')"),
    _try(
        "write_pathlib",
        "write through pathlib",
        "from pathlib import Path",
        "Path(event['directory'] + '/p').write_text('x')",
    ),
    _try("append", "append to a file", "open(event['directory'] + '/a', 'a').write('x')"),
    _imports("list_root", "list the root directory", "os", "os.listdir('/')"),
    _imports("environment", "read the environment", "os", "dict(os.environ)"),
    _imports("getenv", "read a variable", "os", "os.getenv('PATH')"),
    _imports("system", "run a program", "os", "os.system('true') == 0"),
    _imports("fork", "make a process", "os", "os.fork() >= 0"),
    _imports("kill", "signal processes", "os", "os.kill(1, 0) is None"),
    _imports("user", "learn the user", "os", "os.getuid() + 1"),
    _imports("subprocess", "run a program", "subprocess", "subprocess.run(['/bin/true'])"),
    _imports("socket", "open a socket", "socket", "repr(socket.socket())"),
    _imports("urllib", "fetch a page", "urllib.request", "urllib.request.urlopen('http://127.0.0.1')"),
    _imports("ctypes", "call C", "ctypes", "repr(ctypes.CDLL(None))"),
    _imports("modules", "reach loaded modules", "sys", "list(sys.modules)"),
    _imports("frames", "reach frames", "sys", "repr(sys._getframe())"),
    _imports("collector", "reach all objects", "gc", "len(gc.get_objects())"),
    _imports("importlib", "import by name", "importlib", "repr(importlib.import_module('subprocess'))"),
    _imports("threads", "make threads", "threading", "threading.Thread(target=print).start() is None"),
    _imports("signals", "handle signals", "signal", "repr(signal.signal(2, print))"),
    _imports("pickle", "build objects from bytes", "pickle", "repr(pickle.loads(b'cos\\nsystem\\n.'))"),
    _try("import_function", "import by function", "repr(__import__('subprocess'))"),
    _try("subclasses", "climb the class tree", "len(().__class__.__bases__[0].__subclasses__())"),
    _try("function_globals", "reach a function's globals", "repr(handler.__globals__)"),
    _try("function_code", "reach a function's code", "repr(handler.__code__)"),
    _try("builtins_of_call", "reach the host behind a call", "repr(log.__globals__)"),
    _try("call_self", "reach the host object", "repr(call_llm.__self__)"),
    _try(
        "format_attributes",
        "reach attributes by a format",
        "'{0.__class__.__mro__}'.format(1)[:0] or '{0.__globals__}'.format(handler)",
    ),
    _try("type_builder", "make a class from nothing", "repr(type('X', (object,), {'__del__': print})())"),
    _try("eval_import", "import inside eval", "repr(eval(\"__import__('subprocess')\"))"),
    _try("exec_open", "open inside exec", "box = {}", "exec(\"x = open('/etc/passwd').read()\", box)", "box['x']"),
    Escape(
        "leftover",
        "leave something for the next run",
        "def handler(event):\n    return LEFT\n",
        limits=_SMALL,
        ends=("code_error",),
        before="LEFT = 1\ndef handler(event):\n    return None\n",
    ),
    Escape(
        "leftover_module",
        "change a module for the next run",
        "import math\ndef handler(event):\n    return math.pi == 3\n",
        limits=_SMALL,
        before="import math\ndef handler(event):\n    try:\n        math.pi = 3\n    except Exception:\n        pass\n",
    ),
    _breach("memory_list", "fill memory with objects", "x = []\n    while True: x.append('a' * 10000)", "memory_limit"),
    _breach("memory_at_once", "ask for a lot at once", "return len('a' * (1 << 40))", "memory_limit"),
    _breach(
        "memory_caught",
        "catch the memory limit and go on",
        "x = []\n    while True:\n        try:\n            x.append('a' * 100000)\n"
        "        except BaseException:\n            pass",
        "memory_limit",
    ),
    _breach(
        "format_width", "a format as wide as memory", "return len('%1000000000d' % 1)", "memory_limit", "code_error"
    ),
    _breach("processor", "compute for ever", "while True: pass", "cpu_limit"),
    _breach(
        "processor_caught",
        "catch the time limit and go on",
        "while True:\n        try:\n            while True: pass\n        except BaseException:\n            pass",
        "cpu_limit",
    ),
    _breach(
        "big_power",
        "compute for ever inside the interpreter",
        "return (9 ** 9 ** 9) % 7",
        "cpu_limit",
        "memory_limit",
        "time_limit",
        "code_error",
    ),
    _breach("big_shift", "a number as large as memory", "return (1 << (1 << 40)) % 7", "memory_limit", "code_error"),
    _breach(
        "regular_expression",
        "search for ever inside the interpreter",
        "import re\n    return re.match('(a+)+$', 'a' * 60 + 'b')",
        "cpu_limit",
        "code_error",
        "time_limit",
    ),
    _breach(
        "sort_key",
        "compute for ever inside a built-in",
        "return sorted(range(10**9), key=lambda x: -x)",
        "cpu_limit",
        "memory_limit",
        "time_limit",
    ),
    _breach(
        "sleep",
        "sleep for ever",
        "import time\n    time.sleep(1000)\n    return True",
        "time_limit",
        limits=Limits(wall_seconds=0.5),
    ),
    _breach(
        "sleep_pieces",
        "sleep for ever in pieces",
        "import time\n    while True: time.sleep(0.05)",
        "time_limit",
        "cpu_limit",
        limits=Limits(wall_seconds=0.5),
    ),
    _breach("recursion", "recurse without end", "def f(n): return f(n + 1)\n    return f(0)", "code_error"),
    _breach(
        "nested_data",
        "nest data without end",
        "x = []\n    for i in range(100000): x = [x]\n    return x",
        "not_json",
        "code_error",
        "code_exited",
        "memory_limit",
        "cpu_limit",
    ),
    _breach(
        "flood",
        "print 100 MB",
        "for i in range(1600): print('x' * 65536)\n    return True",
        "stdout_too_large",
        limits=Limits(wall_seconds=20.0),
    ),
    _breach(
        "large_result", "return 50 MB", "return 'x' * 50_000_000", "output_too_large", limits=Limits(wall_seconds=20.0)
    ),
    _breach(
        "call_flood",
        "call the host without end",
        "while True: log('x')",
        "host_call_limit",
        limits=Limits(wall_seconds=20.0, host_calls=20),
    ),
    _try("forged_tool", "call a tool that is not the agent's", "__tool_call('admin.delete', {}) or 'answered'"),
    Escape(
        "forged_encoder",
        "replace the encoder of the result",
        "def handler(event):\n    global __finish, find_problem\n    __finish = lambda value: 5\n    return None\n",
        limits=_SMALL,
        ends=("code_exited",),
    ),
]
