"""The environment readers: they take what is right and refuse nonsense with the variable's name."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from gofannon import env

NAME = "GOFANNON_TRIAL"


@pytest.mark.parametrize("text", ["1", "true", "YES", " on "])
def test_boolean_reads_yes(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(NAME, text)
    assert env.boolean(NAME, default=False) is True


@pytest.mark.parametrize("text", ["0", "False", "no", "OFF"])
def test_boolean_reads_no(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(NAME, text)
    assert env.boolean(NAME, default=True) is False


def test_boolean_refuses_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "perhaps")
    with pytest.raises(ImproperlyConfigured, match="GOFANNON_TRIAL: true or false, not 'perhaps'"):
        env.boolean(NAME, default=True)


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " ")
    assert env.boolean(NAME, default=True) is True
    assert env.integer(NAME, 7, low=1, high=9) == 7
    assert env.choice(NAME, "a", ("a", "b")) == "a"
    assert env.secret(NAME) == ""


@pytest.mark.parametrize(("text", "value"), [("1", 1), (" 9 ", 9)])
def test_integer_reads_its_range(monkeypatch: pytest.MonkeyPatch, text: str, value: int) -> None:
    monkeypatch.setenv(NAME, text)
    assert env.integer(NAME, 5, low=1, high=9) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [("0", "between 1 and 9, not 0"), ("10", "between 1 and 9, not 10"), ("1.5", "a whole number, not '1.5'")],
)
def test_integer_refuses_what_is_outside(monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.setenv(NAME, text)
    with pytest.raises(ImproperlyConfigured, match=f"GOFANNON_TRIAL: {message}"):
        env.integer(NAME, 5, low=1, high=9)


def test_words_are_split_at_commas_without_empty_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "a, b,,c ,")
    assert env.words(NAME) == ["a", "b", "c"]


def test_words_have_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert env.words(NAME, "x,y") == ["x", "y"]


def test_choice_refuses_what_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "c")
    with pytest.raises(ImproperlyConfigured, match="GOFANNON_TRIAL: one of a, b, not 'c'"):
        env.choice(NAME, "a", ("a", "b"))


def test_a_secret_comes_from_its_file_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv(NAME, "from the variable")
    assert env.secret(NAME) == "from the variable"
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert env.secret(NAME) == "from the file"


def test_a_secret_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match=r"GOFANNON_TRIAL_FILE: cannot read .*/none: No such file"):
        env.secret(NAME)


def test_the_state_directory_is_made_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOFANNON_VAR", str(tmp_path / "deep" / "var"))
    assert env.var_dir() == tmp_path / "deep" / "var"
    assert env.var_dir().stat().st_mode & 0o777 == 0o700


def test_a_kept_secret_is_private_and_the_first_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert env.kept_secret(path, "first") == "first"
    assert env.kept_secret(path, "second") == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["key"]
