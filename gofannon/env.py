"""Readers of the environment that refuse nonsense.

Every reader raises `ImproperlyConfigured` with the name of the variable and what was expected. A secret `X` may come
from a file named by `X_FILE`, so that it stands in no process list.
"""

import os
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.prefix = ""


def boolean(name: str, default: bool) -> bool:
    raw = os.environ.get(name, "").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}: true or false, not {raw!r}")


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """An integer within [low, high]."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: a whole number, not {raw!r}") from error
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name}: between {low} and {high}, not {value}")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list without empty entries."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(name, "").strip() or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}: one of {', '.join(allowed)}, not {value!r}")
    return value


def secret(name: str) -> str:
    """The secret `name`, or the text of the file that `<name>_FILE` names; empty where neither is set."""
    path = os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return os.environ.get(name, "").strip()
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}") from error


def var_dir() -> Path:
    """The directory of all state (`GOFANNON_VAR`, else `var/`), made private to this user."""
    path = Path(os.environ.get("GOFANNON_VAR", "").strip() or BASE_DIR / "var").expanduser().absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def kept_secret(path: Path, fresh: str) -> str:
    """The text of `path`; where there is none yet, `fresh` is written there first (0600; the first writer wins)."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(fresh + "\n", encoding="utf-8")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()
