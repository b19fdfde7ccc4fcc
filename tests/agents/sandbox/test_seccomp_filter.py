import struct

import pytest

from agents.sandbox.inside import seccomp, syscalls

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Interpret the filter as the kernel would; what it returns."""
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, architecture or ARCHITECTURES[machine], 0, *values)
    program = list(struct.iter_unpack("=HBBI", seccomp.build(machine)))
    place = accumulator = 0
    while True:
        code, if_true, if_false, constant = program[place]
        place += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, constant)[0]
        elif code == 0x54:
            accumulator &= constant
        elif code == 0x06:
            return int(constant)
        else:
            holds = accumulator == constant if code == 0x15 else bool(accumulator & constant)
            place += if_true if holds else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_listed_call_is_decided(machine: str) -> None:
    free = syscalls.numbers(machine).keys() - {"prlimit64", "socketpair", "ioctl", "fcntl", "madvise"}
    numbers = syscalls.numbers(machine)
    assert {name for name in free if decide(machine, numbers[name]) != ALLOW} == set()
    assert sum(decide(machine, number) == ALLOW for number in range(600)) <= len(numbers)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_arguments_are_looked_at(machine: str) -> None:
    number = syscalls.numbers(machine)
    assert decide(machine, number["openat"], 0, 0, 0o2000000) == ALLOW
    assert [decide(machine, number["openat"], 0, 0, flag) for flag in (1, 2, 0o100, 0o1000)] == [EPERM] * 4
    assert [decide(machine, number["prlimit64"], pid) for pid in (0, 1)] == [ALLOW, EPERM]
    assert [decide(machine, number["socketpair"], *pair) for pair in ((1, 1), (1, 2), (2, 1))] == [ALLOW, EPERM, EPERM]
    assert [decide(machine, number["ioctl"], 0, request) for request in (0x5421, 0x5412)] == [ALLOW, EPERM]
    assert [decide(machine, number["fcntl"], 0, command) for command in (3, 8)] == [ALLOW, EPERM]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_foreign_architectures_are_killed(machine: str) -> None:
    assert decide(machine, 0, architecture=0x40000003) == KILL


def test_x32_is_killed() -> None:
    assert decide("x86_64", 0x40000000 | 39) == KILL


def test_clone3_looks_unknown() -> None:
    assert [decide(machine, 435) for machine in ARCHITECTURES] == [ENOSYS, ENOSYS]


def test_other_machines_have_no_filter() -> None:
    with pytest.raises(seccomp.SeccompUnavailable):
        seccomp.build("riscv64")
