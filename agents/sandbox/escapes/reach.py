"""Attempts to reach what is outside: files, the network, processes, other runs."""

from .attempt import Escape, handler

_FILES = [
    Escape("read_passwd", "read a file of the host", handler("return read('/etc/passwd')")),
    Escape("read_by_climbing", "read a file by ../..", handler("return read('../../../../etc/hostname')")),
    Escape("read_project", "read this very project", handler("return read(event['project'])")),
    Escape(
        "read_packages",
        "read installed packages",
        handler(
            "import os",
            "found = [p + '/' + n for p in sys.path for n in ('site-packages', 'dist-packages')]",
            "return [p for p in found if os.path.isdir(p) and os.listdir(p)]",
        ),
    ),
    Escape("list_root", "list the root directory", handler("return os.listdir('/')")),
    Escape(
        "list_home",
        "list where the library lies",
        handler("return os.listdir(os.path.dirname(os.path.dirname(os.__file__)))"),
    ),
    Escape("read_own_environment", "read /proc/self/environ", handler("return read('/proc/self/environ')")),
    Escape("read_init_environment", "read the zygote's environment", handler("return read('/proc/1/environ')")),
    Escape("read_maps", "read the memory map", handler("return read('/proc/self/maps')")),
    Escape(
        "environment",
        "find variables of the host",
        handler("return {k: v for k, v in os.environ.items() if k != 'LC_CTYPE'}"),
    ),
    Escape(
        "devices",
        "open a device",
        handler("return [d for d in ('null', 'mem', 'kmsg', 'vda', 'tty', 'shm/x') if read('/dev/' + d)]"),
    ),
    Escape("sys_files", "read the kernel's files", handler("return os.path.exists('/sys/kernel')")),
    Escape("write_tmp", "write a file", handler("open(event['directory'] + '/w', 'w').write('x'); return True")),
    Escape("write_library", "change the standard library", handler("open(os.__file__, 'a').write('x'); return True")),
    Escape("unlink_library", "delete from the standard library", handler("os.unlink(os.__file__); return True")),
    Escape("make_directory", "make a directory", handler("os.mkdir('/x'); return True")),
    Escape("symlink", "make a symbolic link", handler("os.symlink('/etc', '/x'); return True")),
    Escape("hard_link", "make a hard link", handler("os.link(os.__file__, '/x'); return True")),
    Escape(
        "temporary_file",
        "a file without a name",
        handler("import tempfile", "tempfile.TemporaryFile()", "return True"),
    ),
    Escape(
        "change_directory",
        "leave by chdir and a descriptor",
        handler("fd = os.open('/', os.O_RDONLY)", "os.fchdir(fd); os.chdir('..')", "return os.listdir('.')"),
    ),
    Escape(
        "inherited_descriptors",
        "find descriptors beyond its own",
        handler(
            "import fcntl",
            "found = []",
            "for fd in [0, *range(4, 1024)]:",
            "    try: mode = os.fstat(fd).st_mode",
            "    except OSError: continue",
            "    if fd or not (mode & 0o170000) == 0o020000: found.append((fd, oct(mode)))",
            "return found",
        ),
    ),
    Escape("read_input", "read the caller's input", handler("return repr(os.read(0, 10)) != repr(b'')")),
    Escape(
        "write_null",
        "write through descriptor 0 to the host",
        handler("return os.fstat(0).st_rdev != os.makedev(1, 3)"),
    ),
]

_OTHERS = [
    Escape(
        "subprocess",
        "run a program",
        handler("import subprocess", "return subprocess.run(['/bin/true']).returncode == 0"),
    ),
    Escape(
        "multiprocessing",
        "make a process",
        handler(
            "import multiprocessing as m", "p = m.get_context('fork').Process(target=print); p.start(); return True"
        ),
    ),
    Escape(
        "fork_bomb",
        "make processes without end",
        handler("made = 0", "while made < 1000:", "    if os.fork() == 0: os._exit(0)", "    made += 1", "return made"),
    ),
    Escape(
        "thread_bomb",
        "make threads without end",
        handler(
            "import threading, time",
            "for i in range(1000):",
            "    threading.Thread(target=time.sleep, args=(1,)).start()",
            "return True",
        ),
    ),
    Escape(
        "connect_host",
        "connect to a server on the host's loopback",
        handler("return socket.create_connection(('127.0.0.1', event['port']), 1).getsockname()"),
    ),
    Escape(
        "connect_abstract",
        "connect to an abstract socket of the host",
        handler("s = socket.socket(socket.AF_UNIX)", "s.connect('\\0' + event['abstract']); return True"),
    ),
    Escape("resolve", "ask the network for a name", handler("return socket.gethostbyname('example.com')")),
    Escape(
        "raise_limits",
        "raise its own limits",
        handler("import resource", "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)); return True"),
    ),
    Escape(
        "raise_processes",
        "allow itself processes",
        handler("import resource", "resource.setrlimit(resource.RLIMIT_NPROC, (100, 100)); return True"),
    ),
    Escape(
        "core_dump",
        "leave a core dump",
        handler("import resource", "return resource.getrlimit(resource.RLIMIT_CORE) != (0, 0)"),
    ),
    Escape(
        "root_identity",
        "be root, or anyone the host knows",
        handler("return [i for i in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()) if i != 65534]"),
    ),
    Escape("see_parents", "see processes outside", handler("return os.getppid() > 1")),
    Escape(
        "int_80",
        "32-bit system calls past the filter",
        handler(
            "result = machine_code(bytes.fromhex('b814000000cd8048 98c3'.replace(' ', '')))",
            "return ('getpid of 32 bit', result)",
        ),
        ends=("code_exited",),
        x86_only=True,
    ),
    Escape(
        "x32",
        "x32 system calls past the filter",
        handler("return call(0x40000000 | 39, None)"),
        ends=("code_exited",),
        x86_only=True,
    ),
    Escape(
        "leftover_module",
        "leave something for the next run",
        handler("import builtins", "return getattr(builtins, 'left', None) or sys.modules.get('left')"),
        before=handler("import builtins", "builtins.left = 'x'; sys.modules['left'] = sys; return None"),
    ),
    Escape(
        "leftover_secret",
        "find another run's data in memory",
        handler("import gc", "return [o for o in gc.get_objects() if type(o) is dict and o.get('secret_key') == 1]"),
        before=handler("globals()['keep'] = {'secret_key': 1}; return None"),
    ),
    Escape(
        "wrapper_code",
        "reach the wrapper's modules",
        handler("return [n for n in sys.modules if n == 'inside' or n.startswith('inside.')]"),
    ),
]

ESCAPES = [*_FILES, *_OTHERS]
