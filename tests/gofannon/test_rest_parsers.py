import pytest
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient

from billing.models import User
from gofannon.lib.rest import parsers

BAD: dict[str, tuple[str | bytes, str]] = {
    "NUL": ('{"name": "a\\u0000b"}', "NUL"),
    "NUL in a key": ('{"a\\u0000": 1}', "NUL"),
    "half a surrogate pair": ('{"name": "\\ud800"}', "surrogate"),
    "too deep": ("[" * 101 + "]" * 101, "nested deeper than 100 levels"),
    "far too deep": ("[" * 100_000, "nested deeper than 100 levels"),
    "NaN": ('{"x": NaN}', "NaN is not JSON"),
    "Infinity": ('{"x": -Infinity}', "-Infinity is not JSON"),
    "out of range": ('{"x": 1e999}', "out of range"),
    "too many digits": ('{"x": ' + "1" * 4001 + "}", "more than 4000 digits"),
    "a key twice": ('{"a": 1, "a": 2}', "names a key twice"),
    "no JSON": ("{", "the body is not JSON"),
    "no UTF-8": (b'{"name": "\xff"}', "the body is not UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_nobody_could_store_is_refused(case: str) -> None:
    text, words = BAD[case]
    with pytest.raises(ParseError, match=words):
        parsers.loads(text)


@pytest.mark.parametrize("case", BAD)
def test_the_refusal_has_the_error_shape(case: str, api: APIClient) -> None:
    text, words = BAD[case]
    response = api.post("/api/skills", text, content_type="application/json")
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "malformed_json"
    assert words in error["message"]


def test_what_is_plain_json_comes_through() -> None:
    assert parsers.loads('{"a": ["\\ud83d\\ude00", 1, 1.5, null, true]}') == {"a": ["😀", 1, 1.5, None, True]}
    assert parsers.loads("[" * 100 + "]" * 100) is not None


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", ""])
def test_a_body_that_is_no_object_is_refused(body: str, api: APIClient, owner: User) -> None:
    response = api.post("/api/skills", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["error"]["code"]
