"""Editors change what a shared document says, never who has it and who sees it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import Skill, Token
from billing import documents
from billing.models import Team, User
from gofannon.lib.errors import ApiError
from tests.factories.agents import TokenFactory
from tests.factories.billing import TeamFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def skill(owner: User, team: Team) -> Skill:
    return Skill.objects.create(name="s", owner=owner, team=team, visibility="team")


@pytest.fixture
def token(owner: User, team: Team) -> Token:
    made: Token = TokenFactory.create(owner=owner, team=team, visibility="team")
    return made


def told(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


@pytest.mark.parametrize("visibility", ["private", "public"])
def test_an_editor_does_not_change_who_sees_it(as_: Any, teammate: User, skill: Skill, visibility: str) -> None:
    response = as_(teammate).patch(f"/api/skills/{skill.pk}", {"name": "mine", "visibility": visibility})
    assert told(response) == (403, "owner_only", "visibility")
    skill.refresh_from_db()
    assert (skill.name, skill.visibility, skill.version) == ("s", "team", 1)


@pytest.mark.parametrize("collection", ["skills", "tokens"])
def test_an_editor_does_not_take_it_to_a_team_of_theirs(
    as_: Any, teammate: User, skill: Skill, token: Token, collection: str
) -> None:
    own = TeamFactory.create(owner=teammate)
    url = f"/api/{collection}/{skill.pk if collection == 'skills' else token.pk}"
    for team_id in (own.pk, None, "nothing"):
        assert told(as_(teammate).patch(url, {"team_id": team_id})) == (403, "owner_only", "team_id")


def test_what_an_editor_read_may_come_back(as_: Any, teammate: User, skill: Skill) -> None:
    url = f"/api/skills/{skill.pk}"
    read = as_(teammate).get(url).json()
    response = as_(teammate).put(url, {**read, "name": "edited"})
    assert (response.status_code, response.json()["name"]) == (200, "edited")


def test_the_owner_of_the_team_is_an_editor_too(api: APIClient, as_: Any, teammate: User, team: Team) -> None:
    shared = Skill.objects.create(name="s", owner=teammate, team=team, visibility="team")
    url = f"/api/skills/{shared.pk}"
    assert told(api.patch(url, {"visibility": "public"})) == (403, "owner_only", "visibility")
    assert as_(teammate).patch(url, {"visibility": "public"}).status_code == 200


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_owner_and_staff_change_who_has_it(who: str, as_: Any, skill: Skill, request: pytest.FixtureRequest) -> None:
    client = as_(request.getfixturevalue(who))
    response = client.patch(f"/api/skills/{skill.pk}", {"visibility": "private", "team_id": None})
    assert (response.status_code, response.json()["visibility"], response.json()["team_id"]) == (200, "private", None)


def test_a_model_keeps_its_end_to_its_owner(
    teammate: User, owner: User, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Token, "OWNER_DELETES", True)
    for act in (documents.delete_document, documents.archive_document):
        more: dict[str, Any] = {"archived": True} if act is documents.archive_document else {}
        with pytest.raises(ApiError) as refused:
            act(actor=teammate, document=token, **more)
        assert (refused.value.status, refused.value.code) == (403, "owner_only")
    documents.archive_document(actor=owner, document=token, archived=True)
    documents.delete_document(actor=owner, document=token)
    assert not Token.objects.exists()


def test_an_editor_deletes_what_is_not_kept_so(as_: Any, teammate: User, skill: Skill) -> None:
    assert as_(teammate).delete(f"/api/skills/{skill.pk}").status_code == 204
