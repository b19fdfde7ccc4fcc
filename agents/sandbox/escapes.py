"""The table of escapes for the cpython runtime: attack code that says what it got hold of.

An attempt is code that runs after PRELUDE and returns a true value (the evidence) if it got through. It counts as
contained if it returns a false value, raises what a refusal raises, or breaks a limit named in `ends`.
"""

from dataclasses import dataclass

from .specs import ErrorCode, Limits

QUICK = Limits(wall_seconds=4.0, cpu_seconds=1.0, memory_bytes=96 << 20)


@dataclass(frozen=True, slots=True)
class Escape:
    """One attempt. `before` is code run first, as another run; `x86_only` names machines' own tricks."""

    name: str
    attempt: str
    code: str
    ends: tuple[ErrorCode, ...] = ()
    limits: Limits = QUICK
    before: str = ""
    x86_only: bool = False


PRELUDE = """
import ctypes, os, socket, struct, sys
_libc = ctypes.CDLL(None, use_errno=True)
_ARM = os.uname().machine == "aarch64"

def call(x86, arm, *arguments):
    "A raw system call; what it returned, or None if the kernel refused. A dash of a number is no such call."
    number = arm if _ARM else x86
    if number is None:
        return None
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _libc.syscall(ctypes.c_long(number), *words)
    return None if result < 0 else ("returned", result)

def read(path):
    try:
        with open(path, "rb") as handle:
            return repr(handle.read(60)) or "empty"
    except OSError:
        return None

def machine_code(code):
    import mmap
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""

# name | what it tries | number on x86-64 | on aarch64 (- for none) | arguments as Python.
_CALLS = """
kill_everyone | signal every process | 62 | 129 | -1, 9
kill_init | signal the zygote | 62 | 129 | 1, 9
kill_thread | signal a thread of the zygote | 234 | 131 | 1, 1, 9
pidfd_open | get a handle on the zygote | 434 | 434 | 1, 0
pidfd_getfd | take a descriptor from another process | 438 | 438 | 3, 0, 0
ptrace_attach | trace the zygote | 101 | 117 | 16, 1, 0, 0
ptrace_seize | trace the zygote without stopping it | 101 | 117 | 0x4206, 1, 0, 0
process_vm_readv | read the zygote's memory | 310 | 270 | 1, b"\\0" * 16, 1, b"\\0" * 16, 1, 0
process_vm_writev | write the zygote's memory | 311 | 271 | 1, b"\\0" * 16, 1, b"\\0" * 16, 1, 0
kcmp | compare kernel objects with the zygote's | 312 | 272 | 1, 1, 0, 0, 0
fork | make a process | 57 | - |
vfork_clone | make a process by clone | 56 | 220 | 17, 0, 0, 0, 0
thread | make a thread by clone | 56 | 220 | 0x10900, 0, 0, 0, 0
clone_user_namespace | make a process in a user namespace | 56 | 220 | 0x10000011, 0, 0, 0, 0
clone3 | make a process by clone3 | 435 | 435 | struct.pack("=11Q", *([0] * 4), 17, *([0] * 6)), 88
execve | run a program | 59 | 221 | b"/bin/sh\\0", 0, 0
execveat | run a program by descriptor | 322 | 281 | -100, b"/bin/sh\\0", 0, 0, 0
unshare_user | a user namespace with privileges | 272 | 97 | 0x10000000
unshare_net | a network namespace | 272 | 97 | 0x40000000
setns | join another namespace | 308 | 268 | 0, 0
mount_tmpfs | mount a file system | 165 | 40 | b"tmpfs\\0", b"/\\0", b"tmpfs\\0", 0, 0
umount | detach the root | 166 | 39 | b"/\\0", 2
pivot_root | change the root | 155 | 41 | b"/\\0", b"/\\0"
chroot | change the root by chroot | 161 | 51 | b"/\\0"
fsopen | mount by the new interface | 430 | 430 | b"tmpfs\\0", 0
open_tree | copy a mount | 428 | 428 | -100, b"/\\0", 1
mount_setattr | make the root writable | 442 | 442 | -100, b"/\\0", 0x8000, struct.pack("=4Q", 0, 1, 0, 0), 32
setuid | become root | 105 | 146 | 0
setgroups | join groups | 116 | 159 | 0, 0
capset | raise capabilities | 126 | 91 | struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *([0xFFFFFFFF] * 6))
prctl_dumpable | become traceable | 157 | 167 | 4, 1, 0, 0, 0
prctl_seccomp | touch the filter | 157 | 167 | 22, 1, 0, 0, 0
seccomp_strict | touch the filter by seccomp | 317 | 277 | 0, 0, 0
personality | switch off address randomisation | 135 | 92 | 0x0040000
prlimit_zygote | change the zygote's limits | 302 | 261 | 1, 7, struct.pack("=2Q", 9, 9), 0
io_uring | do input and output past the filter | 425 | 425 | 8, ctypes.create_string_buffer(256)
userfaultfd | stop the kernel at page faults | 323 | 282 | 1
bpf | load a program into the kernel | 321 | 280 | 0, b"\\0" * 64, 64
perf_event_open | watch the processor's counters | 298 | 241 | struct.pack("=2I", 1, 112) + b"\\0" * 104, 0, -1, -1, 0
keyctl | reach the kernel's keyrings | 250 | 219 | 0, -3, 1
add_key | put a key into a keyring | 248 | 217 | b"user\\0", b"x\\0", b"y", 1, -3
memfd_create | fill memory by a file without a name | 319 | 279 | b"x\\0", 0
memfd_secret | fill memory by secret pages | 447 | 447 | 0
shmget | shared memory of System V | 29 | 194 | 0, 4096, 0o1600
msgget | message queue of System V | 68 | 186 | 0, 0o1600
semget | semaphores of System V | 64 | 190 | 0, 1, 0o1600
mq_open | message queue of POSIX | 240 | 180 | b"x\\0", 0o102, 0o600, 0
inotify | watch files | 294 | 26 | 0
fanotify | watch all files | 300 | 262 | 0, 0
name_to_handle | files by handle | 303 | 264 | -100, b"/\\0", b"\\x80" + b"\\0" * 140, b"\\0" * 8, 0
open_by_handle | open a file by its handle | 304 | 265 | -100, b"\\0" * 16, 0
openat2 | open past the filter's flags | 437 | 437 | -100, b"/\\0", struct.pack("=3Q", 0o200000, 0, 0), 24
open_path_write | open for writing | 257 | 56 | -100, b"/x\\0", 0o102, 0o600
chmod | change a mode | 268 | 53 | -100, os.__file__.encode() + b"\\0", 0o666
clock_settime | set the clock | 227 | 112 | 0, struct.pack("=2q", 1, 0)
settimeofday | set the time of day | 164 | 170 | struct.pack("=2q", 1, 0), 0
adjtimex | bend the clock | 159 | 171 | struct.pack("=I", 1) + b"\\0" * 204
reboot_off | disable ctrl-alt-del | 169 | 142 | 0xFEE1DEAD, 672274793, 0, 0
init_module | load a kernel module | 175 | 105 | b"\\x7fELF", 4, b"\\0"
finit_module | load a kernel module from a file | 313 | 273 | 0, b"\\0", 0
kexec_load | load another kernel | 246 | 104 | 0, 0, 0, 0
swapon | add swap | 167 | 224 | b"/\\0", 0
acct | switch on accounting | 163 | 89 | b"/\\0"
syslog | read the kernel's log | 103 | 116 | 2, ctypes.create_string_buffer(64), 64
quotactl | change quotas | 179 | 60 | 0, 0, 0, 0
sethostname | change the host's name | 170 | 161 | b"x", 1
iopl | reach input/output ports | 172 | - | 3
modify_ldt | change the descriptor table | 154 | - | 0, ctypes.create_string_buffer(16), 16
sched_realtime | real-time priority | 144 | 119 | 0, 1, struct.pack("=i", 1)
setpriority | raise its priority | 141 | 140 | 0, 0, -20
ioprio | raise its disk priority | 251 | 30 | 1, 0, 0x2000
mlockall | lock memory | 151 | 230 | 1
timer_create | timers of the kernel | 222 | 107 | 0, 0, ctypes.create_string_buffer(8)
socket_inet | a TCP socket | 41 | 198 | 2, 1, 0
socket_udp | a UDP socket | 41 | 198 | 2, 2, 0
socket_inet6 | a TCP socket of IPv6 | 41 | 198 | 10, 1, 0
socket_raw | a raw socket | 41 | 198 | 2, 3, 1
socket_packet | frames of the network card | 41 | 198 | 17, 3, 0x0300
socket_netlink | change the network | 41 | 198 | 16, 3, 0
socket_unix | reach services on the host | 41 | 198 | 1, 1, 0
socket_vsock | reach the hypervisor | 41 | 198 | 40, 1, 0
socket_alg | the kernel's ciphers | 41 | 198 | 38, 5, 0
socketpair_datagram | a pair that takes addresses | 53 | 199 | 1, 2, 0, ctypes.create_string_buffer(8)
sendmsg | pass descriptors | 46 | 211 | 3, b"\\0" * 56, 0
tiocsti | type into a terminal | 16 | 29 | 0, 0x5412, b"x"
pipe_size | grow a pipe | 72 | 25 | 1, 1031, 1 << 20
fcntl_owner | have signals sent | 72 | 25 | 3, 8, 1
ftruncate | grow a file | 77 | 46 | 1, 1 << 30
landlock | touch its own rules | 446 | 446 | 0, 0
"""


def _call_escape(line: str) -> Escape:
    name, attempt, x86, arm, arguments = (part.strip() for part in line.split("|", 4))
    numbers = ", ".join("None" if number == "-" else number for number in (x86, arm))
    code = f"def handler(event):\n    return call({numbers}, {arguments})\n"
    return Escape(name, attempt, code)


def _handler(*lines: str) -> str:
    return "\n".join(["def handler(event):", *(f"    {line}" for line in lines)]) + "\n"


FILES = [
    Escape("read_passwd", "read a file of the host", _handler("return read('/etc/passwd')")),
    Escape("read_by_climbing", "read a file by ../..", _handler("return read('../../../../etc/hostname')")),
    Escape("read_project", "read this very project", _handler("return read(event['project'])")),
    Escape("read_packages", "read installed packages", _handler(
        "import os",
        "found = [p + '/' + n for p in sys.path for n in ('site-packages', 'dist-packages')]",
        "return [p for p in found if os.path.isdir(p) and os.listdir(p)]")),
    Escape("list_root", "list the root directory", _handler("return os.listdir('/')")),
    Escape("list_home", "list where the library lies", _handler(
        "return os.listdir(os.path.dirname(os.path.dirname(os.__file__)))")),
    Escape("read_own_environment", "read /proc/self/environ", _handler("return read('/proc/self/environ')")),
    Escape("read_init_environment", "read the zygote's environment", _handler("return read('/proc/1/environ')")),
    Escape("read_maps", "read the memory map", _handler("return read('/proc/self/maps')")),
    Escape("environment", "find variables of the host", _handler(
        "return {k: v for k, v in os.environ.items() if k != 'LC_CTYPE'}")),
    Escape("devices", "open a device", _handler("return [d for d in ('null', 'mem', 'kmsg', 'vda', 'tty', 'shm/x') "
        "if read('/dev/' + d)]")),
    Escape("sys_files", "read the kernel's files", _handler("return os.path.exists('/sys/kernel')")),
    Escape("write_tmp", "write a file", _handler("open('/tmp/escape', 'w').write('x'); return True")),
    Escape("write_library", "change the standard library", _handler("open(os.__file__, 'a').write('x'); return True")),
    Escape("unlink_library", "delete from the standard library", _handler("os.unlink(os.__file__); return True")),
    Escape("make_directory", "make a directory", _handler("os.mkdir('/x'); return True")),
    Escape("symlink", "make a symbolic link", _handler("os.symlink('/etc', '/x'); return True")),
    Escape("hard_link", "make a hard link", _handler("os.link(os.__file__, '/x'); return True")),
    Escape("temporary_file", "a file without a name", _handler("import tempfile", "tempfile.TemporaryFile()",
        "return True")),
    Escape("change_directory", "leave by chdir and a descriptor", _handler(
        "fd = os.open('/', os.O_RDONLY)", "os.fchdir(fd); os.chdir('..')", "return os.listdir('.')")),
    Escape("inherited_descriptors", "find descriptors beyond its own", _handler(
        "import fcntl", "found = []",
        "for fd in [0, *range(4, 1024)]:",
        "    try: mode = os.fstat(fd).st_mode",
        "    except OSError: continue",
        "    if fd or not (mode & 0o170000) == 0o020000: found.append((fd, oct(mode)))",
        "return found")),
    Escape("read_input", "read the caller's input", _handler("return os.read(0, 10)")),
    Escape("write_null", "write through descriptor 0 to the host", _handler(
        "return os.fstat(0).st_rdev != os.makedev(1, 3)")),
]

OTHERS = [
    Escape("subprocess", "run a program", _handler("import subprocess",
        "return subprocess.run(['/bin/true']).returncode == 0")),
    Escape("multiprocessing", "make a process", _handler("import multiprocessing as m",
        "p = m.get_context('fork').Process(target=print); p.start(); return True")),
    Escape("fork_bomb", "make processes without end", _handler("made = 0", "while made < 1000:",
        "    if os.fork() == 0: os._exit(0)", "    made += 1", "return made")),
    Escape("thread_bomb", "make threads without end", _handler("import threading, time", "for i in range(1000):",
        "    threading.Thread(target=time.sleep, args=(1,)).start()", "return True")),
    Escape("connect_host", "connect to a server on the host's loopback", _handler(
        "return socket.create_connection(('127.0.0.1', event['port']), 1).getsockname()")),
    Escape("connect_abstract", "connect to an abstract socket of the host", _handler(
        "s = socket.socket(socket.AF_UNIX)", "s.connect('\\0' + event['abstract']); return True")),
    Escape("resolve", "ask the network for a name", _handler("return socket.gethostbyname('example.com')")),
    Escape("raise_limits", "raise its own limits", _handler(
        "import resource", "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)); return True")),
    Escape("raise_processes", "allow itself processes", _handler(
        "import resource", "resource.setrlimit(resource.RLIMIT_NPROC, (100, 100)); return True")),
    Escape("core_dump", "leave a core dump", _handler(
        "import resource", "return resource.getrlimit(resource.RLIMIT_CORE) != (0, 0)")),
    Escape("root_identity", "be root, or anyone the host knows", _handler(
        "return [i for i in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()) if i != 65534]")),
    Escape("see_parents", "see processes outside", _handler("return os.getppid() > 1")),
    Escape("int_80", "32-bit system calls past the filter", _handler(
        "result = machine_code(bytes.fromhex('b814000000cd8048 98c3'.replace(' ', '')))",
        "return ('getpid of 32 bit', result)"), ends=("code_exited",), x86_only=True),
    Escape("x32", "x32 system calls past the filter", _handler(
        "return call(0x40000000 | 39, None)"), ends=("code_exited",), x86_only=True),
    Escape("leftover_module", "leave something for the next run", _handler(
        "import builtins", "return getattr(builtins, 'left', None) or sys.modules.get('left')"),
        before=_handler("import builtins", "builtins.left = 'x'; sys.modules['left'] = sys; return None")),
    Escape("leftover_secret", "find another run's data in memory", _handler(
        "import gc", "return [o for o in gc.get_objects() if type(o) is dict and o.get('secret_key') == 1]"),
        before=_handler("globals()['keep'] = {'secret_key': 1}; return None")),
    Escape("wrapper_code", "reach the wrapper's modules", _handler(
        "return [n for n in sys.modules if n == 'inside' or n.startswith('inside.')]")),
]

LIMITS = [
    Escape("memory_list", "fill memory with objects", _handler("x = []", "while True: x.append(bytearray(1 << 20))"),
        ends=("memory_limit",)),
    Escape("memory_at_once", "ask for a lot at once", _handler("return len(bytearray(1 << 34))"),
        ends=("memory_limit",)),
    Escape("memory_mmap", "fill memory with mappings", _handler("import mmap", "x = []", "while len(x) < 10000:",
        "    m = mmap.mmap(-1, 1 << 20); m.write(b'x' * (1 << 20)); x.append(m)", "return len(x)"),
        ends=("memory_limit",)),
    Escape("descriptors", "use up descriptors", _handler("for i in range(5000): os.dup(0)", "return True")),
    Escape("sockets", "use up socket buffers", _handler("keep = [socket.socketpair() for i in range(500)]",
        "return len(keep)")),
    Escape("processor", "compute for ever, deaf to signals", _handler("import signal",
        "for s in (signal.SIGXCPU, signal.SIGPROF): signal.signal(s, signal.SIG_IGN)", "while True: pass"),
        ends=("cpu_limit",)),
    Escape("big_power", "compute for ever inside C", _handler("return (9 ** 9 ** 9) % 7"),
        ends=("cpu_limit", "memory_limit")),
    Escape("regular_expression", "search for ever inside C", _handler("import re",
        "return re.match('(a+)+$', 'a' * 60 + 'b')"), ends=("cpu_limit",)),
    Escape("sleep", "sleep for ever", _handler("import time", "time.sleep(1000); return True"), ends=("time_limit",),
        limits=Limits(wall_seconds=0.5)),
    Escape("flood", "print 100 MB", _handler("for i in range(1600): print('x' * 65536)", "return True"),
        ends=("stdout_too_large",)),
    Escape("flood_raw", "write 100 MB to the output", _handler(
        "for i in range(1600): os.write(1, b'x' * 65536)", "return True"), ends=("stdout_too_large",)),
    Escape("large_result", "return 50 MB", _handler("return 'x' * 50_000_000"), ends=("output_too_large",),
        limits=Limits(wall_seconds=8.0)),
    Escape("call_flood", "call the host without end", _handler("while True: log('x')"), ends=("host_call_limit",),
        limits=Limits(wall_seconds=4.0, host_calls=20)),
    Escape("recursion", "recurse without end", _handler("sys.setrecursionlimit(10**9)",
        "def f(): return f()", "return f()"), ends=("code_exited", "code_error", "cpu_limit", "memory_limit")),
    Escape("segfault", "crash", _handler("ctypes.string_at(0)"), ends=("code_exited",)),
    Escape("forged_giant", "announce a result of 4 GB", _handler("import time",
        "os.write(3, struct.pack('!BI', 3, 2**32 - 1)); time.sleep(1)"), ends=("output_too_large",)),
    Escape("forged_call_giant", "announce a call of 1 GB", _handler("import time",
        "os.write(3, struct.pack('!BI', 2, 1 << 30)); time.sleep(1)"), ends=("code_exited",)),
    Escape("forged_kind", "send frames of no kind", _handler("import time",
        "os.write(3, b'\\xff' * 4096); time.sleep(1)"), ends=("code_exited",)),
    Escape("forged_number", "send an infinite number", _handler("import time",
        "os.write(3, struct.pack('!BI', 3, 5) + b'1e999'); time.sleep(1)"), ends=("code_exited",)),
    Escape("forged_depth", "send JSON that overflows the parser", _handler("import time",
        "os.write(3, struct.pack('!BI', 3, 200000) + b'[' * 100000 + b']' * 100000); time.sleep(1)"),
        ends=("code_exited",)),
    Escape("forged_text", "send half a surrogate pair", _handler("import time",
        "os.write(3, struct.pack('!BI', 3, 8) + b'\"\\\\ud800\"'); time.sleep(1)"), ends=("code_exited",)),
    Escape("forged_failure", "pretend a fault of the sandbox, to be run again", _handler("import time, json",
        "body = json.dumps({'code': 'sandbox_failed', 'message': 'x', 'traceback': '', 'line': None}).encode()",
        "os.write(3, struct.pack('!BI', 4, len(body)) + body); time.sleep(1)"), ends=("code_error",)),
    Escape("forged_ids", "number calls twice", _handler("import time, json",
        "body = json.dumps({'id': 1, 'name': 'log', 'arguments': {'message': 'x'}}).encode()",
        "os.write(3, (struct.pack('!BI', 2, len(body)) + body) * 2); time.sleep(1)"), ends=("code_exited",)),
    Escape("forged_tool", "call a tool that is not the agent's", _handler("import json",
        "body = json.dumps({'id': 1, 'name': 'tool:admin.delete', 'arguments': {}, 'waits': True}).encode()",
        "os.write(3, struct.pack('!BI', 2, len(body)) + body)",
        "reply = os.read(3, 1000); return b'unknown_tool' not in reply and repr(reply)")),
    Escape("closed_line", "close its line and go on", _handler("import time", "os.close(3); time.sleep(1000)"),
        ends=("code_exited",)),
    Escape("deaf", "read no replies while calling", _handler("import json, time",
        "for i in range(1, 200):",
        "    body = json.dumps({'id': i, 'name': 'log', 'arguments': {'message': 'x' * 50000}}).encode()",
        "    os.write(3, struct.pack('!BI', 2, len(body)) + body)", "time.sleep(1000)"),
        ends=("time_limit",), limits=Limits(wall_seconds=1.0)),
]

ESCAPES = [*(_call_escape(line) for line in _CALLS.strip().splitlines()), *FILES, *OTHERS, *LIMITS]
