"""The embedded Valkey: one private unix socket per state directory, no TCP port.

A unix socket's path must stay under 108 bytes and a state directory may lie deep, so the socket lives in a short
directory that is derived from it.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path


class UnsafeDirectoryError(RuntimeError):
    """The socket's directory belongs to somebody else or is open to others."""


def runtime_dir(var: Path) -> Path:
    """The private (0700) directory of `var`'s sockets, made where it is missing.

    Raises UnsafeDirectoryError where another user owns it, it is a link, or others may enter it.
    """
    digest = hashlib.sha256(os.fsencode(var.absolute())).hexdigest()[:16]
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(os.fsencode(base)) > 60 or not os.access(base, os.W_OK):
        base = Path("/tmp")  # noqa: S108 - owner and mode are checked below
    path = base / f"gofannon-{os.getuid()}-{digest}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UnsafeDirectoryError(f"{path} must be a directory of this user, closed to others (0700)")
    return path


def valkey_socket(var: Path) -> Path:
    return runtime_dir(var) / "valkey.sock"


def valkey_url(var: Path) -> str:
    """redis-py's URL of the embedded server's socket."""
    return f"unix://{valkey_socket(var)}?db=0"
