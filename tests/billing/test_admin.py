import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from agents.models import Skill
from billing import actions
from billing.models import AccessKey, Membership, Team, User
from tests.factories.billing import TeamFactory, UserFactory, spend

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def form_of(client: Client, url: str) -> dict[str, Any]:
    """What the page's form would send back as it stands."""
    response = client.get(url)
    assert response.status_code == 200
    context = response.context
    forms = [context["adminform"].form, *(f.formset.management_form for f in context["inline_admin_formsets"])]
    forms += [form for f in context["inline_admin_formsets"] for form in f.formset.initial_forms]
    sent = {bound.html_name: bound.value() for form in forms for bound in form}
    return {name: value for name, value in sent.items() if value is not None and value is not False}


def errors_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.context["adminform"].form.errors)


MODELS = ["user", "team", "accesskey", "usageentry"]


@pytest.mark.parametrize("path", [f"billing/{model}" for model in MODELS] + ["auth/group", "agents/skill"])
def test_every_list_and_form_opens(admin: Client, owner: User, path: str) -> None:
    TeamFactory.create(owner=owner)
    actions.create_access_key(user=owner, name="laptop")
    spend(owner, 2)
    assert admin.get(f"/admin/{path}/").status_code == 200
    assert admin.get(f"/admin/{path}/?q=x").status_code == 200
    assert admin.get(f"/admin/{path}/add/").status_code == (403 if path.endswith("usageentry") else 200)


def test_a_user_is_added_and_changed(admin: Client) -> None:
    sent = form_of(admin, "/admin/billing/user/add/")
    added = admin.post("/admin/billing/user/add/", {**sent, "username": "ada", "monthly_allowance": "12.5"})
    assert added.status_code == 302, errors_of(added)
    user = User.objects.get(username="ada")
    assert (user.monthly_allowance_nano, user.version) == (12_500_000_000, 1)
    url = f"/admin/billing/user/{user.pk}/change/"
    sent = form_of(admin, url)
    assert sent["monthly_allowance"] == "12.5"
    group = Group.objects.create(name="g")
    changed = admin.post(url, {**sent, "spend_remaining": "0.000000001", "groups": [group.pk], "is_staff": "on"})
    assert changed.status_code == 302, errors_of(changed)
    user.refresh_from_db()
    assert (user.spend_remaining_nano, user.is_staff, user.version, list(user.groups.all())) == (1, True, 2, [group])


def test_a_refusal_shows_at_its_field(admin: Client, owner: User) -> None:
    sent = form_of(admin, "/admin/billing/user/add/")
    refused = admin.post("/admin/billing/user/add/", {**sent, "username": "owner"})
    assert "another document has this username already" in errors_of(refused)
    assert list(refused.context["adminform"].form.errors) == ["username"]
    bad = admin.post("/admin/billing/user/add/", {**sent, "username": "x", "picture_url": "javascript:x"})
    assert list(bad.context["adminform"].form.errors) == ["picture_url"]
    assert User.objects.count() == 2


def test_a_lost_race_is_told(admin: Client, owner: User) -> None:
    url = f"/admin/billing/user/{owner.pk}/change/"
    sent = form_of(admin, url)
    actions.update_user(actor=owner, user=owner, values={"display_name": "Mine"})
    response = admin.post(url, {**sent, "display_name": "Theirs"})
    assert "the document has changed since it was read" in errors_of(response)
    owner.refresh_from_db()
    assert owner.display_name == "Mine"


def test_a_password_is_set_on_djangos_page(admin: Client, owner: User) -> None:
    url = f"/admin/billing/user/{owner.pk}/password/"
    assert admin.get(url).status_code == 200
    words = {"password1": "correct horse battery", "password2": "correct horse battery", "usable_password": "true"}
    assert admin.post(url, {**words, "set-password": "1"}).status_code == 302
    owner.refresh_from_db()
    assert owner.check_password("correct horse battery")


def test_deleting_a_user_anonymises(admin: Client, owner: User) -> None:
    spend(owner, 3)
    url = f"/admin/billing/user/{owner.pk}/delete/"
    assert admin.get(url).status_code == 200
    assert admin.post(url, {"post": "yes"}).status_code == 302
    owner.refresh_from_db()
    assert (owner.is_active, owner.email, owner.usage.count()) == (False, "", 3)


def test_staff_that_is_no_superuser_gives_no_powers(client: Client, owner: User, staff: User) -> None:
    helper = UserFactory.create(username="helper", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(content_type__model="user"))
    client.force_login(helper)
    url = f"/admin/billing/user/{owner.pk}/change/"
    sent = form_of(client, url)
    assert client.post(url, {**sent, "is_superuser": "on", "is_staff": "on"}).status_code == 302
    owner.refresh_from_db()
    assert (owner.is_staff, owner.is_superuser) == (False, False)
    assert client.post(f"/admin/billing/user/{staff.pk}/change/", sent).status_code == 403
    assert client.get(f"/admin/billing/user/{staff.pk}/password/").status_code == 403
    assert client.post(f"/admin/billing/user/{staff.pk}/delete/", {"post": "yes"}).status_code == 403


def members(*rows: tuple[User, str], initial: int = 0) -> dict[str, Any]:
    sent: dict[str, Any] = {"memberships-TOTAL_FORMS": len(rows), "memberships-INITIAL_FORMS": initial}
    for number, (user, role) in enumerate(rows):
        sent |= {f"memberships-{number}-user": user.pk, f"memberships-{number}-role": role}
    return sent


def test_a_team_and_its_members_are_one_edit(admin: Client, owner: User, stranger: User, staff: User) -> None:
    sent = {"name": "crew", "owner": owner.pk, **members((stranger, "viewer"))}
    added = admin.post("/admin/billing/team/add/", sent)
    assert added.status_code == 302, errors_of(added)
    team = Team.objects.get()
    assert (team.version, [(m.user_id, m.role) for m in team.members]) == (1, [(stranger.pk, "viewer")])
    url = f"/admin/billing/team/{team.pk}/change/"
    sent = form_of(admin, url)
    sent |= {"memberships-TOTAL_FORMS": 2, "memberships-1-user": staff.pk, "memberships-1-role": "editor"}
    changed = admin.post(url, {**sent, "memberships-0-DELETE": "on"})
    assert changed.status_code == 302, errors_of(changed)
    team = Team.objects.get()
    assert (team.version, [(m.user_id, m.role) for m in team.members]) == (2, [(staff.pk, "editor")])


def test_a_refused_member_changes_nothing(admin: Client, team: Team, owner: User) -> None:
    url = f"/admin/billing/team/{team.pk}/change/"
    sent = {**form_of(admin, url), "name": "band", **members((owner, "viewer"))}
    assert "the team&#x27;s owner is no member besides" in errors_of(admin.post(url, sent))
    team.refresh_from_db()
    assert (team.name, Membership.objects.count()) == ("crew", 0)


def test_a_team_in_use_is_not_deleted(admin: Client, team: Team, owner: User) -> None:
    Skill.objects.create(name="s", owner=owner, team=team)
    admin.post(f"/admin/billing/team/{team.pk}/delete/", {"post": "yes"})
    assert Team.objects.filter(pk=team.pk).exists()
    Skill.objects.all().delete()
    assert admin.post(f"/admin/billing/team/{team.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Team.objects.exists()


def test_a_new_keys_secret_is_shown_once(admin: Client, owner: User) -> None:
    sent = {"user": owner.pk, "name": "laptop", "scopes": ["read", "run"]}
    page = admin.post("/admin/billing/accesskey/add/", sent, follow=True).content.decode()
    key = AccessKey.objects.get()
    (secret,) = set(re.findall(r"gfn_[\w-]{43}", page))
    assert AccessKey.digest_of(secret) == key.digest
    assert (key.user_id, key.scopes) == (owner.pk, ["read", "run"])
    for url in ("/admin/billing/accesskey/", f"/admin/billing/accesskey/{key.pk}/change/"):
        assert secret not in admin.get(url).content.decode()


def test_only_a_superuser_makes_keys_for_others(client: Client, staff: User) -> None:
    helper = UserFactory.create(username="helper", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(content_type__model__in=["accesskey", "user"]))
    client.force_login(helper)
    sent = {"user": staff.pk, "name": "mine", "scopes": ["admin"]}
    refused = client.post("/admin/billing/accesskey/add/", sent)
    assert "only a superuser makes keys for others" in errors_of(refused)
    assert not AccessKey.objects.exists()
    assert client.post("/admin/billing/accesskey/add/", {**sent, "user": helper.pk}).status_code == 302


def test_a_key_is_renamed_and_revoked_but_never_deleted(admin: Client, owner: User) -> None:
    key, _ = actions.create_access_key(user=owner, name="laptop")
    url = f"/admin/billing/accesskey/{key.pk}/change/"
    assert "billing_accesskey_revoke" in admin.get(url).content.decode()
    sent = {**form_of(admin, url), "name": "desk", "billing_accesskey_revoke": "1"}
    changed = admin.post(url, sent)
    assert changed.status_code == 302, errors_of(changed)
    key.refresh_from_db()
    assert (key.name, key.revoked_at is not None, key.scopes) == ("desk", True, ["read", "run", "write"])
    assert admin.post(f"/admin/billing/accesskey/{key.pk}/delete/", {"post": "yes"}).status_code == 403


def test_selected_keys_are_revoked(admin: Client, owner: User) -> None:
    keys = [actions.create_access_key(user=owner, name=f"k{n}")[0].pk for n in range(3)]
    sent = {"action": "revoke_selected", "_selected_action": keys[:2]}
    assert admin.post("/admin/billing/accesskey/", sent).status_code == 302
    assert AccessKey.objects.filter(revoked_at=None).count() == 1


def test_a_document_goes_with_its_versions(admin: Client, owner: User) -> None:
    sent = {"name": "s", "owner": owner.pk, "visibility": "private", "tags": "b\na"}
    added = admin.post("/admin/agents/skill/add/", sent)
    assert added.status_code == 302, errors_of(added)
    skill = Skill.objects.get()
    assert (skill.listed("tags"), skill.versions.count()) == (["b", "a"], 1)
    assert admin.post(f"/admin/agents/skill/{skill.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Skill.objects.exists()
