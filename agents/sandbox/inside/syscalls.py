"""The system calls that agent code may make, with their numbers on x86-64 and aarch64.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
A dash means that the architecture has no such call. What is not listed fails with EPERM.
"""

_TABLE = """
read 0 63 | write 1 64 | readv 19 65 | writev 20 66 | pread64 17 67 | close 3 57 | lseek 8 62
open 2 - | openat 257 56 | stat 4 - | lstat 6 - | fstat 5 80 | newfstatat 262 79 | statx 332 291
access 21 - | faccessat 269 48 | faccessat2 439 439 | readlink 89 - | readlinkat 267 78
getdents64 217 61 | getcwd 79 17
mmap 9 222 | munmap 11 215 | mremap 25 216 | mprotect 10 226 | madvise 28 233 | brk 12 214
rt_sigaction 13 134 | rt_sigprocmask 14 135 | rt_sigreturn 15 139 | sigaltstack 131 132 | restart_syscall 219 128
futex 202 98 | sched_yield 24 124 | sched_getaffinity 204 123
getpid 39 172 | getppid 110 173 | gettid 186 178 | getuid 102 174 | geteuid 107 175 | getgid 104 176 | getegid 108 177
clock_gettime 228 113 | clock_getres 229 114 | clock_nanosleep 230 115 | nanosleep 35 101
gettimeofday 96 169 | time 201 - | times 100 153 | getrusage 98 165 | getrandom 318 278 | uname 63 160
dup 32 23 | dup2 33 - | dup3 292 24 | fcntl 72 25 | ioctl 16 29 | prlimit64 302 261 | getrlimit 97 163
poll 7 - | ppoll 271 73 | select 23 - | pselect6 270 72
epoll_create1 291 20 | epoll_ctl 233 21 | epoll_wait 232 - | epoll_pwait 281 22
socketpair 53 199 | sendto 44 206 | recvfrom 45 207 | shutdown 48 210
exit 60 93 | exit_group 231 94
"""

ENOSYS_CALLS = {"clone3": (435, 435)}
"""Calls whose caller must believe in an old kernel: glibc then falls back to one that the filter can read."""


def numbers(machine: str) -> dict[str, int]:
    """Name -> number of the allowed calls on "x86_64" or "aarch64"."""
    column = {"x86_64": 1, "aarch64": 2}[machine]
    rows = (entry.split() for line in _TABLE.strip().splitlines() for entry in line.split("|"))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
