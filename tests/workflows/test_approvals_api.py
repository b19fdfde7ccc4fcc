"""Who sees what a run asks, who answers it, and what comes of the answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing import actions as billing_actions
from billing.models import Team, User
from gofannon.lib.clock import DatabaseNow
from tests.factories.runs import make_agent
from workflows import check, leases, transitions
from workflows.models import Approval, Blocker, Effect, Event, Run

pytestmark = pytest.mark.django_db
FAR = datetime(2099, 1, 1, tzinfo=UTC)


def asking(owner: User, reason: str = "required", call: str = "c1", **run: Any) -> Approval:
    """The question of a run that waits for its answer."""
    values: dict[str, Any] = {"kind": "code", "actor_id": owner.pk, "owner_id": owner.pk, "payer_id": owner.pk, **run}
    claimed = transitions.claim_run(transitions.create_run(Run(**values)).pk)
    assert claimed is not None
    effect = Effect.objects.create(run=claimed, call=call, name="mail.send", attempt=1, arguments={"to": "you"})
    approval = Approval.objects.create(effect=effect, reason=reason, expires_at=FAR)
    transitions.suspend_run(claimed, seconds=3600, blocker=Blocker.APPROVAL)
    return approval


def url_of(approval: Approval) -> str:
    return f"/api/runs/{approval.effect.run_id}/approvals/{approval.effect.call}"


def error_of(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


@pytest.fixture
def question(owner: User) -> Approval:
    return asking(owner)


class TestDecisions:
    def test_an_answer_is_kept_and_wakes_the_run(self, api: Any, owner: User, question: Approval) -> None:
        shown = api.get(url_of(question)).json()
        assert {**shown, "requested_at": ""} == {
            "run_id": question.effect.run_id,
            "call": "c1",
            "number": 1,
            "name": "mail.send",
            "arguments": {"to": "you"},
            "reason": "required",
            "options": ["allow", "deny", "fail"],
            "requested_at": "",
            "expires_at": "2099-01-01T00:00:00Z",
            "decision": "",
            "decided_by": None,
            "decided_at": None,
            "result": None,
        }
        answered = api.post(url_of(question), {"decision": "allow"})
        assert answered.status_code == 200
        body = answered.json()
        assert (body["decision"], body["decided_by"], body["decided_at"] is not None) == ("allow", owner.pk, True)
        assert api.get(url_of(question)).json() == body
        assert leases.due(10) == [question.effect.run_id]
        assert Event.objects.order_by("-seq")[0].data["by"] == owner.pk
        assert check.violations() == []

    def test_the_second_answer_is_refused(self, api: Any, question: Approval) -> None:
        api.post(url_of(question), {"decision": "deny"})
        assert error_of(api.post(url_of(question), {"decision": "allow"}))[:2] == (409, "decided")
        assert Approval.objects.get().decision == "deny"

    def test_an_answer_after_its_time_is_refused(self, api: Any, question: Approval) -> None:
        Approval.objects.update(expires_at=DatabaseNow(-1))
        assert error_of(api.post(url_of(question), {"decision": "allow"}))[:2] == (409, "decided")

    @pytest.mark.parametrize(
        ("reason", "body", "refusal"),
        [
            ("required", {"decision": "retry"}, ("not_an_option", "decision")),
            ("unknown_outcome", {"decision": "allow"}, ("not_an_option", "decision")),
            ("required", {"decision": "allow", "result": 1}, ("invalid", "result")),
            ("required", {"decision": "perhaps"}, ("invalid_choice", "decision")),
            ("required", {"decision": "expired"}, ("invalid_choice", "decision")),
            ("required", {}, ("required", "decision")),
            ("required", {"decision": "allow", "colour": "red"}, ("unknown_field", "colour")),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, api: Any, owner: User, reason: str, body: dict[str, Any], refusal: tuple[str, str]
    ) -> None:
        approval = asking(owner, reason)
        assert error_of(api.post(url_of(approval), body)) == (400, *refusal)
        assert Approval.objects.get().decision == ""

    def test_an_unknown_outcome_is_accepted_with_its_result(self, api: Any, owner: User) -> None:
        body = api.post(url_of(asking(owner, "unknown_outcome")), {"decision": "accept", "result": {"id": 7}}).json()
        assert (body["decision"], body["result"]) == ("accept", {"id": 7})

    def test_of_a_call_that_was_asked_about_again_the_newest_question_counts(
        self, api: Any, question: Approval
    ) -> None:
        Approval.objects.update(decision="allow", decided_at=FAR)
        again = Approval.objects.create(effect=question.effect, number=2, reason="unknown_outcome", expires_at=FAR)
        assert api.get(url_of(question)).json()["number"] == 2
        assert api.post(url_of(question), {"decision": "fail"}).json()["number"] == 2
        assert list(Approval.objects.order_by("number").values_list("decision", flat=True)) == ["allow", "fail"]
        assert Approval.objects.get(pk=again.pk).decision == "fail"


class TestWho:
    def test_a_stranger_finds_nothing(self, as_: Any, question: Approval, stranger: User) -> None:
        client, url = as_(stranger), url_of(question)
        found = [client.get(url), client.post(url, {"decision": "allow"}), client.get(url.removesuffix("/c1"))]
        assert [response.status_code for response in found] == [404] * 3
        assert client.get("/api/approvals").json()["results"] == []
        assert as_(None).post(url, {"decision": "allow"}).status_code == 401
        assert Approval.objects.get().decision == ""

    @pytest.mark.parametrize("part", ["actor_id", "payer_id"])
    def test_who_only_sees_the_run_reads_and_may_not_decide(
        self, as_: Any, owner: User, viewer: User, part: str
    ) -> None:
        approval = asking(owner, **{part: viewer.pk})
        client = as_(viewer)
        shown = client.get(url_of(approval)).json()
        assert (shown["name"], shown["arguments"]) == ("mail.send", None)
        assert error_of(client.post(url_of(approval), {"decision": "allow"})) == (403, "permission_denied", None)
        assert len(client.get("/api/approvals").json()["results"]) == 1
        assert Approval.objects.get().decision == ""

    def test_an_editor_of_the_agent_decides_what_runs_they_do_not_see_ask(
        self, as_: Any, owner: User, team: Team, teammate: User, viewer: User, stranger: User
    ) -> None:
        agent = make_agent(owner, visibility="team", team_id=team.pk)
        approval = asking(owner, actor_id=stranger.pk, payer_id=stranger.pk, agent_id=agent.pk)
        url = url_of(approval)
        assert as_(teammate).get(f"/api/runs/{approval.effect.run_id}").status_code == 404
        assert len(as_(teammate).get(url.removesuffix("/c1")).json()["results"]) == 1
        assert [row["call"] for row in as_(teammate).get("/api/approvals").json()["results"]] == ["c1"]
        assert as_(viewer).post(url, {"decision": "allow"}).status_code == 404
        assert as_(teammate).post(url, {"decision": "allow"}).json()["decided_by"] == teammate.pk

    def test_staff_decides(self, as_: Any, staff: User, question: Approval) -> None:
        assert as_(staff).post(url_of(question), {"decision": "fail"}).json()["decided_by"] == staff.pk

    @pytest.mark.parametrize(("scopes", "status"), [(["read", "run"], 403), (["read", "write"], 200)])
    def test_a_key_needs_the_scope_write(
        self, as_: Any, owner: User, question: Approval, scopes: list[str], status: int
    ) -> None:
        _, secret = billing_actions.create_access_key(user=owner, name="k", scopes=scopes)
        client = as_(None)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        assert client.get(url_of(question)).status_code == 200
        assert client.post(url_of(question), {"decision": "allow"}).status_code == status


class TestLists:
    def test_all_newest_first_by_pages(self, api: Any, owner: User) -> None:
        asked = [asking(owner) for _ in range(5)]
        for index, approval in enumerate(asked):
            Approval.objects.filter(pk=approval.pk).update(requested_at=FAR + timedelta(seconds=index // 2))
        seen, url = [], "/api/approvals?limit=2"
        while url:
            page = api.get(url).json()
            seen += [row["run_id"] for row in page["results"]]
            url = page["next"]
        assert seen == [approval.effect.run_id for approval in asked[::-1]]

    def test_pending_ones_are_those_that_can_still_be_decided(self, api: Any, owner: User) -> None:
        pending, expired, decided = (asking(owner) for _ in range(3))
        Approval.objects.filter(pk=expired.pk).update(expires_at=DatabaseNow(-1))
        api.post(url_of(decided), {"decision": "allow"})

        def runs(query: str) -> set[str]:
            return {row["run_id"] for row in api.get(f"/api/approvals?{query}").json()["results"]}

        assert runs("pending=true") == {pending.effect.run_id}
        assert runs("pending=false") == {expired.effect.run_id, decided.effect.run_id}
        assert runs(f"run_id={decided.effect.run_id}") == {decided.effect.run_id}
        assert error_of(api.get("/api/approvals?pendng=true"))[:2] == (400, "unknown_parameter")

    def test_of_one_run_in_the_order_of_asking(self, api: Any, question: Approval) -> None:
        effect = Effect.objects.create(run=question.effect.run, call="c2", name="pay", attempt=1)
        Approval.objects.create(effect=effect, reason="required", expires_at=FAR)
        asking(question.effect.run.actor)
        found = api.get(f"/api/runs/{question.effect.run_id}/approvals").json()["results"]
        assert [(row["run_id"], row["call"]) for row in found] == [
            (question.effect.run_id, "c1"),
            (question.effect.run_id, "c2"),
        ]

    def test_a_run_that_asked_nothing_has_an_empty_list(self, api: Any, owner: User) -> None:
        run = transitions.create_run(Run(kind="code", actor_id=owner.pk))
        assert api.get(f"/api/runs/{run.pk}/approvals").json()["results"] == []
        assert api.get("/api/runs/nothing/approvals").status_code == 404

    def test_a_list_costs_the_same_at_any_length(self, api: Any, owner: User) -> None:
        costs = []
        for number in (1, 5):
            for _ in range(number):
                asking(owner)
            with CaptureQueriesContext(connection) as queries:
                api.get("/api/approvals")
            costs.append(len(queries))
        assert costs == [2, 2]


class TestAdmin:
    @pytest.fixture
    def operator(self, staff: User) -> Client:
        client = Client()
        client.force_login(staff)
        return client

    def decide(self, operator: Client, action: str, *approvals: Approval) -> list[str]:
        """The messages that the page shows then."""
        sent = {"action": action, "_selected_action": [approval.pk for approval in approvals]}
        answer = operator.post(reverse("admin:workflows_approval_changelist"), sent)
        assert answer.status_code == 302
        return [message.message for message in get_messages(answer.wsgi_request)]

    def test_the_list_decides_by_the_same_action(
        self, operator: Client, staff: User, owner: User, question: Approval
    ) -> None:
        unclear = asking(owner, "unknown_outcome")
        told = self.decide(operator, "allow", question, unclear)
        question.refresh_from_db()
        unclear.refresh_from_db()
        assert (question.decision, question.decided_by, unclear.decision) == ("allow", staff, "")
        assert (len(told), told[1]) == (2, "decided: 1")
        assert "choose one of retry, accept, fail" in told[0]
        assert leases.due(10) == [question.effect.run_id]

    @pytest.mark.parametrize(
        ("action", "reason"), [("deny", "required"), ("retry", "unknown_outcome"), ("fail", "unknown_outcome")]
    )
    def test_every_other_answer_is_there_too(self, operator: Client, owner: User, action: str, reason: str) -> None:
        approval = asking(owner, reason)
        assert self.decide(operator, action, approval) == ["decided: 1"]
        approval.refresh_from_db()
        assert approval.decision == action

    @pytest.mark.parametrize(
        ("permissions", "decision"), [(["view_approval"], ""), (["view_approval", "change_approval"], "allow")]
    )
    def test_who_may_only_look_decides_nothing(
        self, stranger: User, question: Approval, permissions: list[str], decision: str
    ) -> None:
        User.objects.filter(pk=stranger.pk).update(is_staff=True)
        stranger.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(User.objects.get(pk=stranger.pk))
        sent = {"action": "allow", "_selected_action": [question.pk]}
        assert client.post(reverse("admin:workflows_approval_changelist"), sent).status_code in (200, 302)
        question.refresh_from_db()
        assert question.decision == decision

    def test_nothing_else_is_written_there(self, operator: Client, question: Approval) -> None:
        page = operator.get(reverse("admin:workflows_approval_change", args=[question.pk]))
        assert (page.status_code, page.context["has_change_permission"]) == (200, False)
        assert operator.get(reverse("admin:workflows_approval_add")).status_code == 403
