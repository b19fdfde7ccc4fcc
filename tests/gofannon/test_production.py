"""Production refuses to start with unsafe settings, and says which; what is safe passes Django's own checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from gofannon.env import BASE_DIR

SAFE = {
    "GOFANNON_PRODUCTION": "true",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "example.org",
}


def check(var: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    env = {"PATH": os.environ["PATH"], "GOFANNON_VAR": str(var), **settings}
    return subprocess.run(command, env=env, cwd=BASE_DIR, capture_output=True, text=True)


def test_safe_settings_pass(tmp_path: Path) -> None:
    done = check(tmp_path, SAFE)
    assert (done.returncode, done.stderr) == (0, "")


UNSAFE = {
    "SECRET_KEY": ["", "short"],
    "ENCRYPTION_KEYS": ["", "nonsense"],
    "ALLOWED_HOSTS": ["", "*"],
    "DEBUG": ["true"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in UNSAFE.items() for value in values])
def test_what_is_unsafe_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    done = check(tmp_path, {**SAFE, name: value})
    assert done.returncode != 0
    assert name in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("url", ["nonsense", "mysql://user@host/name"])
def test_a_database_that_is_none_is_refused_by_name(tmp_path: Path, url: str) -> None:
    done = check(tmp_path, {"DATABASE_URL": url})
    assert "DATABASE_URL: " in done.stderr.splitlines()[-1]


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SAFE["SECRET_KEY"])
    settings = {name: value for name, value in SAFE.items() if name != "SECRET_KEY"}
    assert check(tmp_path, {**settings, "SECRET_KEY_FILE": str(tmp_path / "key")}).returncode == 0


def test_what_is_made_is_nobody_elses_to_read(tmp_path: Path) -> None:
    var = tmp_path / "state"
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"],
        env={"PATH": os.environ["PATH"], "GOFANNON_VAR": str(var)},
        cwd=BASE_DIR,
        check=True,
    )
    assert (var / "gofannon.sqlite3").exists()
    assert [path.name for path in (var, *var.iterdir()) if path.stat().st_mode & 0o077] == []
