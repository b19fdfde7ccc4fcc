"""Where the embedded Valkey's socket lies: short, private, one per state directory."""

import os
from pathlib import Path

import pytest

from gofannon import embedded


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("b")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    return base


def test_the_directory_is_private_and_always_the_same(tmp_path: Path) -> None:
    path = embedded.runtime_dir(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert embedded.runtime_dir(tmp_path) == path


def test_each_state_directory_has_its_own(tmp_path: Path) -> None:
    assert embedded.runtime_dir(tmp_path / "a") != embedded.runtime_dir(tmp_path / "b")


def test_a_deep_state_directory_has_a_socket_path_that_fits(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    assert len(os.fsencode(embedded.valkey_socket(deep))) < 108


def test_a_long_base_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = tmp_path / ("b" * 120)
    base.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    path = embedded.runtime_dir(tmp_path)
    path.rmdir()
    assert path.parent == Path("/tmp")


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    embedded.runtime_dir(tmp_path).chmod(0o750)
    with pytest.raises(embedded.UnsafeDirectoryError, match="closed to others"):
        embedded.runtime_dir(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = embedded.runtime_dir(tmp_path)
    path.rmdir()
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    path.symlink_to(target)
    with pytest.raises(embedded.UnsafeDirectoryError, match="must be a directory of this user"):
        embedded.runtime_dir(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(embedded.runtime_dir(tmp_path), 65_534, 65_534)
    with pytest.raises(embedded.UnsafeDirectoryError, match="must be a directory of this user"):
        embedded.runtime_dir(tmp_path)


def test_the_url_names_the_socket(tmp_path: Path) -> None:
    assert embedded.valkey_url(tmp_path) == f"unix://{embedded.valkey_socket(tmp_path)}?db=0"
