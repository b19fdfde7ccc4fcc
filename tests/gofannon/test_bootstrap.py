import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from agents.models import Agent, DeploymentVersion
from billing.models import AccessKey, User

# Committed, because the heartbeat of a run looks at its lease through a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "It's late. It is Ada\u2019s hammer! Is it? Naïve, naïve"


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def bootstrap() -> dict[str, Any]:
    out = StringIO()
    call_command("bootstrap", "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_it_makes_an_admin_a_key_and_the_demo_agent(var: Path) -> None:
    found = bootstrap()
    admin = User.objects.get(username=found["admin_username"])
    assert (admin.is_superuser, admin.check_password(found["admin_password"])) == (True, True)
    assert found["access_key_file"] == str(var / "access-key")
    assert (var / "access-key").stat().st_mode & 0o777 == 0o600
    client = APIClient(headers={"Authorization": f"Bearer {(var / 'access-key').read_text().strip()}"})
    assert client.get("/api/users/me").json()["_id"] == admin.pk


def test_again_it_changes_nothing(var: Path) -> None:
    bootstrap()
    secret = (var / "access-key").read_text()
    assert bootstrap()["admin_password"] is None
    assert (var / "access-key").read_text() == secret
    assert (User.objects.count(), AccessKey.objects.count(), Agent.objects.count()) == (1, 1, 1)
    assert DeploymentVersion.objects.count() == 1


def test_a_lost_key_file_is_made_anew(var: Path) -> None:
    bootstrap()
    (var / "access-key").unlink()
    bootstrap()
    assert AccessKey.objects.filter(digest=AccessKey.digest_of((var / "access-key").read_text().strip())).exists()


@pytest.mark.parametrize("runtime", ["cpython", "monty"])
def test_the_demo_agent_counts_words_on_both_runtimes(as_: Any, runtime: str) -> None:
    bootstrap()
    admin = User.objects.get()
    agent = Agent.objects.get()
    client = as_(admin)
    client.patch(f"/api/agents/{agent.pk}", {"runtime": runtime})
    output = client.post(f"/api/agents/{agent.pk}/run", {"input": {"text": TEXT}}).json()["output"]
    top = [["it", 2], ["is", 2], ["naïve", 2]]
    assert (output["words"], output["sentences"]) == (10, 4)
    assert sorted(output["top"][:3]) == sorted(top)
    assert len(output["top"]) == 7


def test_without_words_there_is_nothing_to_count(as_: Any) -> None:
    bootstrap()
    response = as_(User.objects.get()).post("/api/agents/word-count/run", {"input": {"text": " ... ! "}})
    assert response.json()["output"] == {"words": 0, "sentences": 0, "top": []}
