import pytest
from rest_framework.test import APIClient

from agents.models import Skill
from billing.models import User

pytestmark = pytest.mark.django_db


def make(api: APIClient, **fields: object) -> dict[str, object]:
    response = api.post("/api/skills", {"name": "a-skill", **fields})
    assert response.status_code == 201, response.json()
    made: dict[str, object] = response.json()
    return made


def test_every_writable_field_is_stored_by_post(api: APIClient) -> None:
    given = {"name": "weather", "description": "d", "instructions": "i", "tags": ["b", "a"], "visibility": "public"}
    made = make(api, **given)
    assert {name: made[name] for name in given} == given
    assert api.get(f"/api/skills/{made['_id']}").json() == made


def test_an_unknown_field_is_refused_with_its_path(api: APIClient) -> None:
    response = api.post("/api/skills", {"name": "x", "colour": "red"})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["path"]) == ("unknown_field", "colour")
    assert not Skill.objects.exists()


def test_what_was_read_can_be_put_back(api: APIClient) -> None:
    made = make(api, tags=["x"])
    response = api.put(f"/api/skills/{made['_id']}", {**made, "tags": ["y", "x"]})
    assert response.status_code == 200, response.json()
    assert response.json()["tags"] == ["y", "x"]
    assert response.json()["version"] == 2
    assert response.json()["versions"] == [1, 2]


def test_a_changed_read_only_field_is_refused(api: APIClient) -> None:
    made = make(api)
    response = api.put(f"/api/skills/{made['_id']}", {**made, "owner_id": "somebody"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "read_only"


def test_a_lost_race_is_412(api: APIClient) -> None:
    made = make(api)
    url = f"/api/skills/{made['_id']}"
    assert api.patch(url, {"description": "1"}, headers={"If-Match": '"1"'}).status_code == 200
    assert api.patch(url, {"description": "2"}, headers={"If-Match": '"1"'}).status_code == 412
    assert api.get(url).json()["description"] == "1"


def test_a_name_is_taken_once_per_owner(api: APIClient, stranger: User, as_: object) -> None:
    make(api)
    response = api.post("/api/skills", {"name": "a-skill"})
    assert response.status_code == 409
    assert (response.json()["error"]["code"], response.json()["error"]["path"]) == ("duplicate", "name")
    make(as_(stranger))  # type: ignore[operator]


def test_the_same_key_makes_one_document(api: APIClient) -> None:
    first = api.post("/api/skills", {"name": "x"}, headers={"Idempotency-Key": "k"})
    again = api.post("/api/skills", {"name": "x"}, headers={"Idempotency-Key": "k"})
    assert first.json() == again.json()
    assert again["Idempotent-Replay"] == "true"
    other = api.post("/api/skills", {"name": "y"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 422
    assert Skill.objects.count() == 1


def test_a_list_costs_the_same_at_any_length(api: APIClient, django_assert_num_queries: object) -> None:
    for n in range(7):
        make(api, name=f"s{n}", tags=["t", f"t{n}"])
    with django_assert_num_queries(3):  # type: ignore[operator]
        assert len(api.get("/api/skills?tag=t").json()["results"]) == 7


def test_pages_by_cursor_see_each_once(api: APIClient) -> None:
    for n in range(7):
        make(api, name=f"s{n}")
    seen, url = [], "/api/skills?limit=3&ordering=name"
    while url:
        page = api.get(url).json()
        seen += [row["name"] for row in page["results"]]
        last, url = page, page["next"]
    assert seen == [f"s{n}" for n in range(7)]
    assert [row["name"] for row in api.get(last["previous"]).json()["results"]] == ["s3", "s4", "s5"]


def test_a_stranger_gets_404_and_changes_nothing(api: APIClient, stranger: User, as_: object) -> None:
    url = f"/api/skills/{make(api)['_id']}"
    client = as_(stranger)  # type: ignore[operator]
    assert client.get(url).status_code == 404
    assert client.patch(url, {"name": "z"}).status_code == 404
    assert client.delete(url).status_code == 404
    assert Skill.objects.get().name == "a-skill"
