"""Frames between a run's process and its caller: one byte of kind, four of length (big endian), then the body."""

import struct

HEADER = struct.Struct("!BI")
START = struct.Struct("!dQ")
"""What the zygote is told about a run, beside its three descriptors: CPU seconds, memory bytes."""
USAGE = struct.Struct("!iddq")
"""What the zygote says of an ended run: wait status, user seconds, system seconds, peak resident KiB."""

READY, CALL, RESULT, ERROR, JOB, REPLY, IDLE, TICK = 1, 2, 3, 4, 5, 6, 7, 8

CALL_BYTES = 1 << 20
"""The longest call, of name and arguments."""
ERROR_BYTES = 64 << 10
IDLE_BYTES = 200


def frame(kind: int, body: bytes) -> bytes:
    """One frame as bytes."""
    return HEADER.pack(kind, len(body)) + body
