"""What a hostile child may say of its calls and its idleness, and what not."""

import pytest

from agents.sandbox import claims

IMPOSSIBLE = [
    b"null",
    b"[]",
    b"{}",
    b'{"clock": -1, "timer": null}',
    b'{"clock": true, "timer": null}',
    b'{"clock": 0, "timer": -1}',
    b'{"clock": 0, "timer": "1"}',
    b'{"clock": 0, "timer": 1e300}',
    b'{"clock": 0, "timer": NaN}',
    b'{"clock": 1e999, "timer": 0}',
]


@pytest.mark.parametrize("body", IMPOSSIBLE)
def test_impossible_times_are_garbage(body: bytes) -> None:
    with pytest.raises(claims.Garbage):
        claims.idle_from(body)


def test_idleness_is_a_clock_and_a_timer() -> None:
    assert claims.idle_from(b'{"clock": 1, "timer": 0.5}') == (1.0, 0.5)
    assert claims.idle_from(b'{"clock": 0, "timer": null}') == (0.0, None)


CALLS = [
    b'{"id": 2, "name": "log", "arguments": {}, "way": "here"}',
    b'{"id": 1, "name": "log", "arguments": {}, "way": "async"}',
    b'{"id": 1, "name": "call_llm", "arguments": {}, "way": "here"}',
    b'{"id": 1, "name": "call_llm", "arguments": {}, "way": ["sync"]}',
    b'{"id": 1, "name": "call_llm", "arguments": [], "way": "sync"}',
    b'{"id": 1, "name": {}, "arguments": {}, "way": "sync"}',
]


@pytest.mark.parametrize("body", CALLS)
def test_calls_of_the_wrong_shape_are_garbage(body: bytes) -> None:
    with pytest.raises(claims.Garbage):
        claims.call_from(body, 1)


def test_an_error_of_a_strange_code_is_the_codes() -> None:
    for code in (b"[]", b"{}", b'"non_determinism"', b'"sandbox_failed"', b'"nothing known"'):
        assert claims.error_from(b'{"code": ' + code + b', "message": "x", "traceback": ""}').code == "code_error"
