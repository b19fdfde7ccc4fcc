"""What one platform holds alone: its state directory and its port."""

import fcntl
import os
import socket
from pathlib import Path


class ClaimError(RuntimeError):
    """Somebody else has it; the message is one line for the person at the terminal."""


def claim_state(var: Path) -> int:
    """Lock the state directory `var` for as long as this process lives; returns the lock's file descriptor.

    Raises ClaimError, naming the holder's process id, where another supervisor runs on it.
    """
    lock = os.open(var / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
        os.close(lock)
        raise ClaimError(
            f"Gofannon is already running on {var} (process {holder}); stop it, or choose another GOFANNON_VAR"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket. The web process inherits it, so that callers wait while a dead one is replaced.

    Raises ClaimError where the port is taken or the host is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ClaimError(f"cannot listen on HOST={host}: {error.strerror}") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ClaimError(
            f"cannot listen on {host} port {port}: {(error.strerror or str(error)).lower()}; "
            f"choose another, for example: make run PORT={port + 1 if port < 65535 else 8000}"
        ) from error
    listener.set_inheritable(True)
    return listener
