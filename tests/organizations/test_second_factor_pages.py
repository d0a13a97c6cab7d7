"""The second factor in the admin: setting it up, logging in with it, and what ends with it."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.db.models import F
from django.test import Client
from django.urls import reverse

from organizations import logging_in, second_factor
from organizations.models import LogInAttempt, Membership, Organization, SecondFactor, User
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory, admin, member
from tests.organizations import authenticator

pytestmark = pytest.mark.django_db

LOG_IN, CODE, OWN = (reverse(f"admin:{name}") for name in ("login", "log_in_code", "second_factor"))
HOME = reverse("admin:index")
PASSWORD, WRONG = "horse battery staple", "wrong"


@pytest.fixture
def brigade() -> Organization:
    organization: Organization = OrganizationFactory()
    return organization


@pytest.fixture
def anna(brigade: Organization) -> User:
    user = admin(brigade, login="anna", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(client: Client, password: str = PASSWORD, to: str = LOG_IN, **how: Any) -> Any:
    return client.post(to, {"username": "anna", "password": password}, **how)


def is_in(client: Client) -> bool:
    answer: Any = client.get(HOME)
    assert answer.status_code == 200 or answer["Location"].startswith(LOG_IN)
    return bool(answer.status_code == 200)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def set_up(client: Client) -> tuple[str, list[str]]:
    """Set it up as a person does; return the secret and the recovery codes that the pages show."""
    page = html.unescape(client.get(OWN).content.decode())
    found = re.search(r'<code id="secret"[^>]*>([A-Z2-7 ]+)</code>', page)
    assert found is not None
    secret = found[1].replace(" ", "")
    assert f"secret={secret}" in page
    shown = client.post(OWN, {"code": authenticator.current(secret)})
    assert "no-store" in shown["Cache-Control"]
    codes = re.findall(r"\w{4}-\w{4}-\w{4}-\w{4}", shown.content.decode())
    assert len(codes) == 10
    return secret, codes


def use_again(user: User) -> None:
    """Let the code of this half minute be taken again."""
    SecondFactor.objects.filter(user=user).update(last_step=0)


def test_whoever_has_one_is_asked_for_its_code(anna: User) -> None:
    secret, codes = set_up(logged_in(anna))
    client = Client()
    to = reverse("admin:alarms_alarm_changelist")
    answer = log_in(client, to=f"{LOG_IN}?next={to}")
    assert (answer.status_code, answer["Location"]) == (302, CODE)
    assert not is_in(client)
    assert "one-time-code" in client.get(CODE).content.decode()
    assert client.post(CODE, {"code": authenticator.wrong(secret)}).status_code == 200
    assert not is_in(client)
    use_again(anna)
    answer = client.post(CODE, {"code": authenticator.current(secret)})
    assert (answer.status_code, answer["Location"]) == (302, to)
    assert is_in(client)
    other = Client()
    log_in(other)
    assert other.post(f"{CODE}?recovery", {"code": codes[3]}).status_code == 302
    assert is_in(other)


def test_without_the_password_nobody_is_asked_for_a_code(anna: User) -> None:
    _secret, codes = authenticator.give(anna)
    client = Client()
    log_in(client, password=WRONG)
    for answer in (client.get(CODE), client.post(CODE, {"code": codes[0]})):
        assert (answer.status_code, answer["Location"]) == (302, LOG_IN)
    assert len(SecondFactor.objects.get().recovery_digests) == 10


@pytest.mark.parametrize("what", ["deactivated", "no staff", "another password", "reset", "too late"])
def test_what_ends_between_password_and_code_ends_the_log_in(anna: User, what: str) -> None:
    _secret, codes = authenticator.give(anna)
    client = Client()
    log_in(client)
    person = User.objects.filter(pk=anna.pk)
    if what == "deactivated":
        person.update(is_active=False)
    elif what == "no staff":
        person.update(is_staff=False)
    elif what == "another password":
        person.update(password="another")
    elif what == "reset":
        second_factor.remove(user_id=anna.pk)
        _secret, codes = authenticator.give(anna)
    else:
        session = client.session
        session["log_in"] |= {"until": session["log_in"]["until"] - 601}
        session.save()
    assert client.post(CODE, {"code": codes[0]})["Location"] == LOG_IN
    assert not is_in(client)


def test_codes_are_not_guessed_and_to_begin_anew_with_the_password_does_not_help(anna: User) -> None:
    secret, codes = authenticator.give(anna)
    client = Client()
    for _ in range(4):
        log_in(client)
        assert client.post(CODE, {"code": authenticator.wrong(secret)}).status_code == 200
    assert log_in(client).status_code == 302
    assert client.post(CODE, {"code": authenticator.wrong(secret)}).status_code == 200
    answer = client.post(CODE, {"code": codes[0]})
    assert (answer.status_code, "Try again in 15 minutes" in answer.content.decode()) == (429, True)
    assert 0 < int(answer["Retry-After"]) <= 900
    assert log_in(Client()).status_code == 429
    LogInAttempt.objects.update(at=F("at") - timedelta(minutes=15))
    assert client.post(CODE, {"code": codes[0]}).status_code == 302
    assert is_in(client)


def test_whoever_has_the_password_guesses_thirty_codes_a_day_however_many_addresses_they_have(anna: User) -> None:
    _secret, codes = authenticator.give(anna)
    known = Client()
    log_in(known)
    known.post(CODE, {"code": codes[0]})
    del known.cookies[django_settings.SESSION_COOKIE_NAME]
    digest = logging_in.digest_of("anna")
    LogInAttempt.objects.bulk_create(
        LogInAttempt(login=digest, source=f"10.0.0.{n}", step="code", at=anna.created_at - timedelta(hours=20))
        for n in range(30)
    )
    stranger = Client()
    assert log_in(stranger).status_code == 302
    assert stranger.post(CODE, {"code": codes[1]}).status_code == 429
    log_in(known)
    assert known.post(CODE, {"code": codes[1]}).status_code == 302


def test_setting_it_up_ends_every_other_session_and_so_does_removing_it(anna: User) -> None:
    here, there = logged_in(anna), logged_in(anna)
    _secret, codes = set_up(here)
    assert (is_in(here), is_in(there)) == (True, False)
    anna.refresh_from_db()
    there = logged_in(anna)
    page = here.get(OWN).content.decode()
    assert "10 recovery codes are left" in page
    for data in ({"password": WRONG, "code": codes[0]}, {"password": PASSWORD, "code": "123456"}, {}):
        assert here.post(OWN, data | {"remove": "1"}).status_code == 200
    assert SecondFactor.objects.exists()
    here.post(OWN, {"password": PASSWORD, "code": codes[0], "remove": "1"})
    assert not SecondFactor.objects.exists()
    assert (is_in(here), is_in(there)) == (True, False)
    assert log_in(Client())["Location"] == HOME
    noted = LogEntry.objects.filter(object_id=str(anna.pk)).order_by("pk").values_list("change_message", flat=True)
    assert list(noted) == ["Set up the second factor.", "Removed the second factor."]


def test_new_recovery_codes_end_the_old_ones(anna: User) -> None:
    client = logged_in(anna)
    _secret, old = set_up(client)
    shown = client.post(OWN, {"password": PASSWORD, "code": old[0], "codes": "1"})
    new = re.findall(r"\w{4}-\w{4}-\w{4}-\w{4}", shown.content.decode())
    assert len(new) == 10
    assert not set(new) & set(old)
    for code, status in ((old[1], 200), (new[1], 302)):
        log_in(client := Client())
        assert client.post(CODE, {"code": code}).status_code == status


def test_the_password_is_not_guessed_there_either(anna: User) -> None:
    client = logged_in(anna)
    _secret, codes = set_up(client)
    data = {"password": WRONG, "code": codes[0], "remove": "1"}
    statuses = [client.post(OWN, data).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert client.post(OWN, data | {"password": PASSWORD}).status_code == 429
    assert len(SecondFactor.objects.get().recovery_digests) == 10


def test_the_key_stays_the_same_until_it_is_set_up_and_a_wrong_code_sets_nothing_up(anna: User) -> None:
    client = logged_in(anna)
    key = re.compile(r'<code id="secret"[^>]*>([A-Z2-7 ]+)</code>')
    pages = [client.get(OWN), client.get(OWN), client.post(OWN, {"code": "12"}), client.post(OWN, {})]
    assert len({key.findall(page.content.decode())[0] for page in pages}) == 1
    assert not SecondFactor.objects.exists()
    assert key.findall(logged_in(anna).get(OWN).content.decode()) != key.findall(pages[0].content.decode())
    session = client.session["second_factor"]
    assert key.findall(pages[0].content.decode())[0].replace(" ", "") not in session


def test_where_it_is_required_nothing_else_opens_until_it_is_set_up(anna: User, settings: Any) -> None:
    settings.SECOND_FACTOR = "required"
    client = Client()
    log_in(client)
    row = reverse("admin:organizations_user_change", args=[anna.pk])
    for path in (
        HOME,
        "/admin/home/",
        row,
        reverse("admin:password_change"),
        "/admin/nothing/",
        f"{HOME}organizations/",
    ):
        for answer in (client.get(path), client.post(path, {"first_name": "X"})):
            assert (answer.status_code, answer.get("Location")) == (302, OWN), path
    page = client.get(OWN).content.decode()
    assert "Whoever works here needs a second factor." in page
    assert Client().get(HOME)["Location"].startswith(LOG_IN)
    set_up(client)
    assert is_in(client)
    assert client.get(row).status_code == 200
    assert logged_in(UserFactory(is_staff=True)).post(reverse("admin:logout")).status_code == 200


RESET = "organizations_user_reset_second_factor"


def test_who_may_set_the_password_resets_it(brigade: Organization, anna: User) -> None:
    ben = member(brigade, login="ben", is_staff=True)
    authenticator.give(ben)
    ben.refresh_from_db()
    his, page = logged_in(ben), reverse(f"admin:{RESET}", args=[ben.pk])
    his.get(HOME)
    chief = logged_in(anna)
    shown = chief.get(reverse("admin:organizations_user_change", args=[ben.pk])).content.decode()
    assert 'href="../reset-second-factor/"' in shown
    assert "An app, since" in shown
    assert "every session of theirs" in chief.get(page).content.decode()
    assert SecondFactor.objects.exists()
    chief.post(page)
    assert not SecondFactor.objects.exists()
    assert his.get(HOME)["Location"].startswith(LOG_IN)
    assert LogEntry.objects.get(object_id=str(ben.pk)).change_message == "Reset the second factor."
    # There is nothing to reset any more.
    assert chief.post(page).status_code == 302
    assert LogEntry.objects.filter(object_id=str(ben.pk)).count() == 1
    assert (
        "None: the password alone is enough."
        in chief.get(reverse("admin:organizations_user_change", args=[ben.pk])).content.decode()
    )


@pytest.mark.parametrize("whose", ["one's own", "managed elsewhere", "member elsewhere too", "superuser", "stranger"])
def test_nobody_else_resets_it(brigade: Organization, anna: User, whose: str) -> None:
    person = anna if whose == "one's own" else member(brigade)
    fields: dict[str, Any] = {"is_superuser": whose == "superuser"}
    if whose in ("managed elsewhere", "stranger"):
        fields["managing_organization"] = OrganizationFactory()
    if whose == "member elsewhere too":
        MembershipFactory(user=person)
    if whose == "stranger":
        Membership.objects.filter(user=person).delete()
    User.objects.filter(pk=person.pk).update(**fields)
    authenticator.give(person)
    anna.refresh_from_db()
    for answer in (
        logged_in(anna).get(reset := reverse(f"admin:{RESET}", args=[person.pk])),
        logged_in(anna).post(reset),
    ):
        assert answer.status_code == (302 if whose in ("stranger", "one's own") else 403)
    assert SecondFactor.objects.exists()


def test_superusers_find_who_has_none(admin_client: Client, brigade: Organization, anna: User) -> None:
    authenticator.give(member(brigade, login="ben"))
    people = reverse("admin:organizations_user_changelist")
    shown = admin_client.get(people, {"second_factor_at__isempty": "1"}).context["cl"].result_list
    assert {person.login for person in shown} == {"admin", "anna"}
    assert logged_in(anna).get(people, {"second_factor_at__isempty": "1"}).status_code == 400
