"""Attempts that are one system call each: the kernel must refuse it."""

from .attempt import Escape

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


ESCAPES = [_call_escape(line) for line in _CALLS.strip().splitlines()]
