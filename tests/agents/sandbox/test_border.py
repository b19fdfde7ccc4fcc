"""What passes from a run to the rest of the project: text and JSON that any database and any answer can hold."""

import json
import resource
from typing import Any

import pytest

from agents.sandbox import HostCall, Limits, Outcome, border
from agents.sandbox.inside import values
from tests.agents.sandbox.support import run

HANDLER = "def handler(event):\n    "
SEND = """
import os, struct
def handler(event):
    body = {body}
    data = memoryview(struct.pack("!BI", {kind}, len(body)) + body)
    while data:
        data = data[os.write(3, data):]
    {then}
"""


def _send(body: str, kind: int = 3, then: str = "os._exit(0)", **options: Any) -> Outcome:
    return run(SEND.format(body=body, kind=kind, then=then), **options)


BROKEN = [rb'{"x":"\xed\xa0\x80"}', rb'"\\ud800"', rb'{"\\udfff":1}', "'{\"a\": 1}'.encode('utf-16')", rb'"\xff"']


@pytest.mark.parametrize("body", BROKEN)
def test_a_result_that_is_no_utf_8_is_none(cpython: None, body: Any) -> None:
    source = body if isinstance(body, str) else "b'" + body.decode() + "'"
    outcome = _send(source)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.output) == ("code_exited", None)
    assert "it sent broken JSON" in outcome.error.message


@pytest.mark.parametrize("body", [b'"\xed\xa0\x80"', b'"\\ud800"', '"a"'.encode("utf-16"), '"a"'.encode("utf-32")])
def test_hostile_json_is_utf_8_through_and_through(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.parse(body)


def test_a_call_that_is_no_utf_8_does_not_reach_the_host(cpython: None) -> None:
    seen: list[HostCall] = []
    body = 'b\'{"id":1,"name":"log","arguments":{"message":"\\xed\\xa0\\x80","fields":{}},"waits":true}\''
    error = _send(body, 2, "os.read(3, 100); return 1", host=seen.append).error
    assert error is not None
    assert (error.code, seen) == ("code_exited", [])


NULS = [
    ("'\\0'", "output: the character NUL cannot be stored"),
    ("{'x': 'a\\0'}", "output.x: the character NUL cannot be stored"),
    ("{'x': [1, {'y': '\\0'}]}", "output.x[1].y: the character NUL cannot be stored"),
    ("{'a\\0': 1}", "output.a\ufffd: the character NUL cannot be stored"),
]


@pytest.mark.parametrize(("value", "message"), NULS)
def test_a_nul_in_the_output_has_its_place(runtime: str, value: str, message: str) -> None:
    error = run(HANDLER + f"return {value}", runtime=runtime).error
    assert error is not None
    assert (error.code, error.message) == ("not_json", message)


def test_the_escape_of_a_nul_is_text_like_any_other(runtime: str) -> None:
    assert run(HANDLER + "return '\\\\u0000'", runtime=runtime).output == "\\u0000"
    call = run(HANDLER + "return log('\\\\u0000' + '\\\\')['arguments']['message']", runtime=runtime)
    assert call.output == "\\u0000\\"


def test_no_nul_comes_out_in_a_text(runtime: str) -> None:
    outcome = run(HANDLER + "print('a\\0b')\n    raise ValueError('c\\0d')", runtime=runtime)
    assert outcome.error is not None
    assert outcome.stdout == "a\ufffdb\n"
    assert outcome.error.message == "ValueError: c\ufffdd"
    assert outcome.error.traceback.endswith("ValueError: c\ufffdd\n")


def test_no_nul_comes_out_in_a_call(runtime: str) -> None:
    code = HANDLER + "return [log('\\0', **{'a': ['\\0\\0']})['arguments'], call_llm('\\\\\\0')['arguments']]"
    assert run(code, runtime=runtime).output == [
        {"message": "\ufffd", "fields": {"a": ["\ufffd\ufffd"]}},
        {"prompt": "\\\ufffd"},
    ]


def test_a_hand_written_report_is_made_storable(cpython: None) -> None:
    report = '{"code":"code_error","message":"\\\\u0000","traceback":"\\\\u0000","line":99999999999999999999}'
    error = _send(f"b'{report}'", 4).error
    assert error is not None
    assert (error.message, error.traceback, error.line) == ("\ufffd", "\ufffd", None)


HALVES = [
    "print('\\ud800')\n    return 1",
    "raise ValueError('\\ud800')",
    "return {'\\ud800': {1}}",
    "return '\\ud800'",
    "return log('\\ud800')",
]


@pytest.mark.parametrize("line", HALVES)
def test_half_a_surrogate_pair_never_comes_out(runtime: str, line: str) -> None:
    outcome = run(HANDLER + line, runtime=runtime)
    texts = [outcome.output, outcome.stdout, outcome.error and [outcome.error.message, outcome.error.traceback]]
    assert json.dumps(texts, ensure_ascii=False).encode()


def test_texts_are_made_storable() -> None:
    assert border.text("a\0\ud800\u20ac") == "a\ufffd\\ud800\u20ac"


def test_a_result_of_countless_parts_is_not_read(cpython: None) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = _send('b"[" + b"[]," * 5_500_000 + b"[]]"', output_bytes=16 << 20)
    assert outcome.error is not None
    assert outcome.error.code == "output_too_large"
    assert outcome.error.message.endswith("commas and brackets, the limit is 600000")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 << 10


def test_a_mebibyte_of_the_smallest_numbers_is_an_output() -> None:
    body = b"[" + b"1," * ((1 << 19) - 2) + b"1]"
    assert (1 << 20) - 4 < len(body) <= 1 << 20
    assert len(border.read_output(body, Limits())) == (1 << 19) - 1
