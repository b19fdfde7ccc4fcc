import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from gofannon.lib import crypto
from gofannon.lib import sealed as sealing

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text(st.characters(codec="utf-8")))
def test_what_was_sealed_is_revealed(secret: str) -> None:
    assert crypto.reveal(sealing.seal(secret)) == secret


def test_a_wrong_key_fails_loudly(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = sealing.seal("secret")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(crypto.WrongKeyError) as failed:
        crypto.reveal(sealed)
    assert "secret" not in str(failed.value).replace("a stored secret", "")


def test_the_newest_key_encrypts_and_every_key_decrypts(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    before = sealing.seal("before")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    after = sealing.seal("after")
    assert (crypto.reveal(before), crypto.reveal(after)) == ("before", "after")
    settings.ENCRYPTION_KEYS = [NEW]
    assert crypto.reveal(after) == "after"
    with pytest.raises(crypto.WrongKeyError):
        crypto.reveal(before)


def test_a_damaged_token_fails_loudly() -> None:
    token = sealing.seal("secret").token
    with pytest.raises(crypto.WrongKeyError):
        crypto.reveal(sealing.Sealed(token[:-4] + "AAAA"))


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("sk-proj-0123456789abcdef9f2c", "sk-...9f2c"),
        ("0123456789abcdef", "012...cdef"),
        ("0123456789abcde", "..."),
        ("", "..."),
    ],
)
def test_a_mask_tells_little(secret: str, shown: str) -> None:
    assert sealing.mask(secret) == shown


def test_a_sealed_value_prints_nothing() -> None:
    sealed = sealing.seal("secret")
    assert (repr(sealed), str(sealed), f"{sealed}") == ("Sealed(...)",) * 3


def test_a_column_stores_no_plain_text() -> None:
    with pytest.raises(TypeError, match="a secret is sealed before it is stored"):
        sealing.SealedField().get_prep_value("secret")
