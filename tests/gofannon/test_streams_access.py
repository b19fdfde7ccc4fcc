"""Who may hear a run: whoever may read its events as JSON, and nobody else. How many at once."""

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import AccessKey, User
from tests.factories.billing import UserFactory
from tests.gofannon.streaming import Listener, Server, bearer, held_run, key_of, until
from workflows.models import Run

pytestmark = pytest.mark.django_db(transaction=True)

# (who asks, with what) and what the run's events answer them.
CAST = {
    "anonymous": 401,
    "a key that never was": 401,
    "revoked key": 401,
    "switched off": 401,
    "key without read": 403,
    "stranger": 404,
    "viewer of the owner's team": 404,
    "staff without the scope admin": 404,
    "actor": 200,
    "owner": 200,
    "payer": 200,
    "staff": 200,
    "owner's session": 200,
    "stranger's session": 404,
    "a session that never was": 401,
}


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def run(transactional_db: None, owner: User) -> Run:
    people = {name: UserFactory.create(username=name) for name in ("actor", "payer")}
    return held_run(owner, **people)


def credentials(who: str, people: dict[str, User]) -> dict[str, str]:
    """The headers of the request."""
    if who == "anonymous":
        return {}
    if who.endswith("session"):
        client = Client()
        client.force_login(people[who.partition("'")[0]])
        return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    if who == "a session that never was":
        return {"Cookie": "sessionid=nonsense"}
    if who == "a key that never was":
        return {"Authorization": "Bearer gfn_nonsense"}
    scopes = {"key without read": ("run", "write"), "staff": ("read", "admin")}.get(who, ("read",))
    user = people.get(who.split()[0], people["owner"])
    secret = key_of(user, *scopes)
    if who == "revoked key":
        AccessKey.objects.update(revoked_at=timezone.now())
    if who == "switched off":
        User.objects.filter(pk=user.pk).update(is_active=False)
    return {"Authorization": f"Bearer {secret}"}


def told(error: Any) -> Any:
    """An error without the request's own name."""
    return {name: text for name, text in error.items() if name != "request_id"}


@pytest.mark.parametrize("who", CAST)
def test_the_stream_admits_whom_the_json_admits(
    server: Server, run: Run, owner: User, stranger: User, viewer: User, staff: User, who: str
) -> None:
    people = {"owner": owner, "stranger": stranger, "viewer": viewer, "staff": staff}
    people |= {name: User.objects.get(username=name) for name in ("actor", "payer")}
    headers = credentials(who, people)
    document = Client(headers=headers).get(f"/api/runs/{run.pk}/events")
    with Listener(server.port, run, **headers) as listener:
        assert listener.status == document.status_code == CAST[who]
        assert listener.response.headers["WWW-Authenticate"] == document.headers.get("WWW-Authenticate")
        if listener.status == 200:
            assert [event.id for event in listener.take(2)] == [1, 2]
        else:
            answer = listener.document()
            assert told(answer["error"]) == told(document.json()["error"])
            assert listener.response.headers["Content-Type"] == document.headers["Content-Type"]


@pytest.mark.parametrize("run_id", ["run_unknown", "%00", "a%2Fb", "%F0%9F%94%A8"])
def test_a_run_that_is_none_is_not_found(server: Server, staff: User, run_id: str) -> None:
    with Listener(server.port, run_id, **bearer(staff)) as listener:
        assert (listener.status, listener.document()["error"]["code"]) == (404, "not_found")


def test_who_prefers_a_document_gets_one(
    server: Server, run: Run, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    # The serving thread outlives the test; its connection must not outlive the test's database.
    monkeypatch.setitem(settings.DATABASES["default"], "CONN_MAX_AGE", 0)
    connection = HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", f"/api/runs/{run.pk}/events", headers={"Accept": "application/json", **bearer(owner)})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert b'"results"' in answer.read()
    connection.close()


def test_a_user_has_so_many_streams(server: Server, run: Run, owner: User, settings: Any) -> None:
    settings.STREAMS_PER_USER = 2
    mine, another = bearer(owner), bearer(User.objects.get(username="actor"))
    with Listener(server.port, run, **mine) as first, Listener(server.port, run, **mine) as second:
        with Listener(server.port, run, **mine) as third:
            error = third.document()["error"]
        with Listener(server.port, run, **another) as others:
            assert [first.status, second.status, others.status] == [200] * 3
    assert (third.status, error["code"]) == (429, "too_many_streams")
    assert third.response.headers["Retry-After"].isdecimal()
    assert error["request_id"]
    until(lambda: not server.hub.open, "the streams' end")
    with Listener(server.port, run, **mine) as again:
        assert again.status == 200


def test_a_process_has_so_many_streams(server: Server, run: Run, owner: User, settings: Any) -> None:
    settings.STREAMS = 1
    with Listener(server.port, run, **bearer(owner)) as first:
        with Listener(server.port, run, **bearer(owner)) as second:
            assert (second.status, second.document()["error"]["code"]) == (429, "too_many_streams")
        assert first.status == 200
