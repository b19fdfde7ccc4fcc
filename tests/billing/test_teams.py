from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import Skill
from billing.models import Membership, Team, User
from tests.factories.billing import TeamFactory

pytestmark = pytest.mark.django_db


def test_every_writable_field_is_stored_by_post(api: APIClient, owner: User, stranger: User, staff: User) -> None:
    members = [{"user_id": stranger.pk, "role": "viewer"}, {"user_id": staff.pk, "role": "editor"}]
    response = api.post("/api/teams", {"name": "crew", "members": members})
    assert response.status_code == 201, response.json()
    made = response.json()
    assert (made["name"], made["owner_id"], made["members"]) == ("crew", owner.pk, members)
    assert made["_id"].startswith("team_")
    assert api.get(f"/api/teams/{made['_id']}").json() == made


def test_what_was_read_can_be_put_back(api: APIClient, team: Team, teammate: User, viewer: User) -> None:
    read = api.get(f"/api/teams/{team.pk}").json()
    changed = {**read, "name": "band", "members": list(reversed(read["members"]))}
    response = api.put(f"/api/teams/{team.pk}", changed)
    assert response.status_code == 200, response.json()
    assert response.json() == {**changed, "version": 2, "updated_at": response.json()["updated_at"]}


def test_a_change_of_members_is_an_edit(api: APIClient, team: Team, stranger: User) -> None:
    members = [{"user_id": stranger.pk, "role": "editor"}]
    response = api.patch(f"/api/teams/{team.pk}", {"members": members}, headers={"If-Match": '"1"'})
    assert (response.json()["members"], response.json()["version"]) == (members, 2)
    lost = api.patch(f"/api/teams/{team.pk}", {"members": []}, headers={"If-Match": '"1"'})
    assert lost.status_code == 412
    assert team.memberships.count() == 1


@pytest.mark.parametrize(
    ("member", "path", "code"),
    [
        ({"user_id": "nobody", "role": "viewer"}, "members[0].user_id", "unknown_reference"),
        ({"user_id": "{owner}", "role": "viewer"}, "members[0].user_id", "invalid"),
        ({"user_id": "{stranger}", "role": "boss"}, "members[0].role", "invalid_choice"),
        ({"user_id": "{stranger}"}, "members[0].role", "required"),
        ({"user_id": "{stranger}", "role": "viewer", "colour": "red"}, "members[0].colour", "unknown_field"),
        ("stranger", "members[0]", "invalid"),
    ],
)
def test_bad_members_are_refused_with_their_path(
    api: APIClient, owner: User, stranger: User, member: Any, path: str, code: str
) -> None:
    if isinstance(member, dict):
        member = {**member, "user_id": member["user_id"].format(owner=owner.pk, stranger=stranger.pk)}
    response = api.post("/api/teams", {"name": "crew", "members": [member]})
    assert response.status_code == 400
    assert (response.json()["error"]["path"], response.json()["error"]["code"]) == (path, code)
    assert not Team.objects.exists()


def test_a_member_is_named_once(api: APIClient, team: Team, stranger: User) -> None:
    twice = [{"user_id": stranger.pk, "role": "viewer"}] * 2
    response = api.patch(f"/api/teams/{team.pk}", {"members": twice})
    error = response.json()["error"]
    assert (response.status_code, error["path"], error["code"]) == (400, "members[1].user_id", "duplicate")


def test_only_staff_makes_a_team_for_another(
    api: APIClient, as_: Any, owner: User, stranger: User, staff: User
) -> None:
    answers = [api.post("/api/teams", {"name": "x", "owner_id": named}) for named in (stranger.pk, "nobody")]
    told = [(answer.status_code, {**answer.json()["error"], "request_id": ""}) for answer in answers]
    assert told[0] == told[1]
    assert (told[0][0], told[0][1]["code"], told[0][1]["path"]) == (403, "staff_only", "owner_id")
    assert api.post("/api/teams", {"name": "x", "owner_id": owner.pk}).status_code == 201
    assert as_(staff).post("/api/teams", {"name": "x", "owner_id": stranger.pk}).json()["owner_id"] == stranger.pk


def test_a_team_is_handed_over(api: APIClient, as_: Any, team: Team, stranger: User, teammate: User) -> None:
    url = f"/api/teams/{team.pk}"
    assert api.patch(url, {"owner_id": "nobody"}).json()["error"]["code"] == "unknown_reference"
    assert api.patch(url, {"owner_id": teammate.pk}).json()["error"]["path"] == "members[0].user_id"
    assert api.patch(url, {"owner_id": stranger.pk}).status_code == 200
    assert api.get(url).status_code == 404
    assert as_(stranger).get(url).json()["owner_id"] == stranger.pk


@pytest.mark.parametrize(("who", "status"), [("teammate", 403), ("viewer", 403), ("stranger", 404)])
def test_only_owner_and_staff_change_a_team(
    who: str, status: int, as_: Any, team: Team, request: pytest.FixtureRequest
) -> None:
    client = as_(request.getfixturevalue(who))
    url = f"/api/teams/{team.pk}"
    assert client.get(url).status_code == (404 if status == 404 else 200)
    assert client.patch(url, {"name": "x"}).status_code == status
    assert client.put(url, {"name": "x"}).status_code == status
    assert client.delete(url).status_code == status
    assert Team.objects.filter(pk=team.pk, name="crew", version=1).exists()


def test_staff_changes_any_team(as_: Any, staff: User, team: Team) -> None:
    assert as_(staff).patch(f"/api/teams/{team.pk}", {"name": "x"}).json()["name"] == "x"
    assert as_(staff).delete(f"/api/teams/{team.pk}").status_code == 204


def test_a_name_is_taken_once_per_owner(api: APIClient, team: Team, as_: Any, stranger: User) -> None:
    response = api.post("/api/teams", {"name": "crew"})
    assert (response.status_code, response.json()["error"]["path"]) == (409, "name")
    assert as_(stranger).post("/api/teams", {"name": "crew"}).status_code == 201


def test_a_team_that_documents_name_is_in_use(api: APIClient, team: Team) -> None:
    skill = api.post("/api/skills", {"name": "s", "team_id": team.pk, "visibility": "team"}).json()
    response = api.delete(f"/api/teams/{team.pk}")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "in_use")
    assert response.json()["error"]["users"] == [f"skills/{skill['_id']}"]
    Skill.objects.all().delete()
    assert api.delete(f"/api/teams/{team.pk}").status_code == 204
    assert not Team.objects.exists()


def test_the_owner_of_a_team_edits_what_is_shared_with_it(api: APIClient, as_: Any, team: Team, teammate: User) -> None:
    shared = as_(teammate).post("/api/skills", {"name": "s", "team_id": team.pk, "visibility": "team"}).json()
    assert api.patch(f"/api/skills/{shared['_id']}", {"description": "d"}).status_code == 200


def test_a_list_costs_the_same_at_any_length(
    api: APIClient, owner: User, stranger: User, django_assert_num_queries: Any
) -> None:
    for team in TeamFactory.create_batch(7, owner=owner):
        Membership.objects.create(team=team, user=stranger)
    with django_assert_num_queries(2):
        assert len(api.get("/api/teams?ordering=name").json()["results"]) == 7
