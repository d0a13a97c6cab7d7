"""Logging in to the admin: how often one may try, and what one is told."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from organizations import logging_in
from organizations.models import LogInAttempt, User
from organizations.tasks import forget_log_ins
from tests.factories import OrganizationFactory, UserFactory, admin

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:login")
PASSWORD, WRONG = "horse battery staple", "wrong"
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.1"


@pytest.fixture
def anna() -> User:
    user = admin(OrganizationFactory(), login="anna", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    return user


def attempt(
    login: str = "anna", password: str = WRONG, *, address: str = HERE, client: Client | None = None, **headers: str
) -> Any:
    data = {"username": login, "password": password}
    return (client or Client()).post(PAGE, data, REMOTE_ADDR=address, headers=headers)


def failed(times: int, **how: Any) -> set[int]:
    return {attempt(**how).status_code for _ in range(times)}


def failed_elsewhere(
    count: int, *, source: str = "", login: str = "anna", step: str = "password", **age: float
) -> None:
    """Write failed attempts, each from another address if none is given."""
    at, digest = timezone.now() - timedelta(**age), logging_in.digest_of(login)
    LogInAttempt.objects.bulk_create(
        LogInAttempt(login=digest, source=source or f"10.0.{n // 250}.{n % 250}", step=step, at=at)
        for n in range(count)
    )


def pass_time(**span: float) -> None:
    LogInAttempt.objects.update(at=F("at") - timedelta(**span))


def gets_in(**how: Any) -> bool:
    answer = attempt(password=PASSWORD, **how)
    assert answer.status_code in {302, 429}
    return bool(answer.status_code == 302)


@pytest.mark.parametrize(
    ("accepted", "words"),
    [
        ("en", "Too many attempts. Try again in 15 minutes."),
        ("de", "Zu viele Versuche. Bitte in 15 Minuten wieder versuchen."),
    ],
)
def test_after_five_wrong_passwords_one_waits_and_is_told_how_long(anna: User, accepted: str, words: str) -> None:
    assert failed(5) == {200}
    pass_time(seconds=10)
    answer = attempt(password=PASSWORD, **{"Accept-Language": accepted})
    assert answer.status_code == 429
    assert words in answer.content.decode()
    assert 600 < int(answer["Retry-After"]) <= 890
    # What was refused has not made it longer.
    pass_time(minutes=14, seconds=40)
    assert not gets_in()
    pass_time(seconds=11)
    assert gets_in()


def test_who_gets_in_has_all_five_again(anna: User) -> None:
    for _ in range(3):
        assert failed(4) == {200}
        assert gets_in()
    assert not LogInAttempt.objects.exists()


def test_nobody_is_locked_out_by_what_others_try_elsewhere(anna: User) -> None:
    assert failed(6, address=ELSEWHERE) == {200, 429}
    assert gets_in()


def test_from_one_address_many_people_may_err_but_not_without_end(anna: User) -> None:
    failed_elsewhere(49, source=HERE, login="somebody")
    assert failed(1) == {200}
    assert not gets_in()
    assert gets_in(address=ELSEWHERE)


def test_one_login_is_not_tried_from_everywhere_without_end(anna: User) -> None:
    failed_elsewhere(99)
    assert failed(1) == {200}
    assert not gets_in(address=ELSEWHERE)
    pass_time(minutes=15)
    assert gets_in(address=ELSEWHERE)


def test_a_browser_in_which_somebody_was_logged_in_lets_them_in_whatever_others_try(anna: User) -> None:
    known = Client()
    assert gets_in(client=known)
    del known.cookies[django_settings.SESSION_COOKIE_NAME]
    failed_elsewhere(100)
    failed_elsewhere(50, source=HERE, login="somebody")
    assert not gets_in()
    assert gets_in(client=known)
    # Nobody else is known there, and even there passwords are not tried without end.
    assert attempt("ben", client=known).status_code == 429
    assert failed(6, client=known) == {200, 429}


def test_a_browser_cannot_say_by_itself_that_it_is_known(anna: User) -> None:
    known = Client()
    assert gets_in(client=known)
    said = known.cookies[django_settings.BROWSER_COOKIE_NAME]
    assert said["httponly"]
    assert said["samesite"] == "Lax"
    forger = Client()
    forger.cookies[django_settings.BROWSER_COOKIE_NAME] = said.value[:-1] + ("A" if said.value[-1] != "A" else "B")
    failed_elsewhere(100)
    assert not gets_in(client=forger)


@pytest.mark.parametrize(
    ("guesser", "other", "waits"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
    ],
)
def test_an_address_of_ipv6_counts_by_its_network(anna: User, guesser: str, other: str, waits: bool) -> None:
    failed(5, address=guesser)
    assert gets_in(address=other) is not waits


def test_behind_a_proxy_it_is_the_address_that_it_names_that_counts(anna: User, settings: Any) -> None:
    settings.REST_FRAMEWORK = django_settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    for number in range(5):
        attempt(**{"X-Forwarded-For": f"10.0.0.{number}, {ELSEWHERE}"})
    assert not gets_in(**{"X-Forwarded-For": ELSEWHERE})
    assert gets_in(**{"X-Forwarded-For": HERE})


@pytest.mark.django_db(transaction=True)
def test_of_many_attempts_at_once_at_most_five_are_looked_at(anna: User) -> None:
    def ask(_number: int) -> int:
        try:
            return int(attempt().status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(ask, range(18)))
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) <= 5
    assert LogInAttempt.objects.count() == statuses.count(200)


def test_nothing_tells_which_logins_there_are(anna: User, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Not the answer, nor the time it takes: a password is hashed in any case."""
    settings.LANGUAGE_CODE = "en"
    for login, fields in {
        "ben": {"is_staff": True, "is_active": False},
        "carla": {},
        "dora": {"is_staff": True},
    }.items():
        user = UserFactory(login=login, **fields)
        user.set_password(PASSWORD if login != "dora" else None)
        user.save()
    hasher, hashed = type(identify_hasher(anna.password)), []
    encode = hasher.encode
    monkeypatch.setattr(
        hasher,
        "encode",
        lambda self, password, *rest, **more: hashed.append(1) or encode(self, password, *rest, **more),
    )
    seen = {}
    tries = {"anna": WRONG, "ben": PASSWORD, "carla": PASSWORD, "dora": WRONG, "nobody": PASSWORD}
    for number, (login, password) in enumerate(tries.items()):
        hashed.clear()
        answers = [attempt(login, password, address=f"192.0.2.{number}") for _ in range(6)]
        page = answers[0].content.decode()
        assert "Please enter the correct login and password for a staff account" in page
        seen[login] = (page.count("errornote"), len(hashed), [answer.status_code for answer in answers])
    assert len({repr(each) for each in seen.values()}) == 1, seen
    assert seen["nobody"][2] == [200] * 5 + [429]


def test_what_was_typed_stands_nowhere(anna: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert failed(6, login="secret-in-the-wrong-field", password="secret-password") == {200, 429}
    assert gets_in()
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM organizations_loginattempt t")
        rows = [text for (text,) in cursor.fetchall()]
    assert len(rows) == 5
    said = [record.getMessage() for record in caplog.records if record.name.startswith("organizations")]
    assert f"logged in: user={anna.pk}" in said
    assert f"log-in failed: password, from {HERE}" in said
    for text in (*rows, caplog.text):
        assert "secret" not in text


def test_a_command_ends_the_wait(anna: User) -> None:
    failed(5)
    failed(2, login="ben")
    out = StringIO()
    call_command("unlock_log_in", "anna", stdout=out)
    assert out.getvalue() == "Failed attempts forgotten: 5\n"
    assert gets_in()
    assert LogInAttempt.objects.count() == 2


def test_after_a_day_nothing_is_kept_of_attempts_nor_of_sessions_that_are_over(now: datetime) -> None:
    failed_elsewhere(2, hours=25)
    failed_elsewhere(1, hours=23)
    for name, hours in {"over": -1, "in-force": 1}.items():
        Session.objects.create(session_key=name, session_data="", expire_date=now + timedelta(hours=hours))
    forget_log_ins(timestamp=0)
    assert LogInAttempt.objects.count() == 1
    assert list(Session.objects.values_list("pk", flat=True)) == ["in-force"]


@pytest.mark.parametrize(
    ("password", "is_taken"),
    [
        ("elevenchars", False),
        ("twelve chars", True),
        ("correcthorsebatterystaple", True),
        ("1q2w3e4r5t6y", False),  # one of the most common
        ("annamariafeuer", False),  # her name
        ("anna.feuer@example.org", False),
        ("472912847561", False),
        ("löschgruppenfahrzeug", True),
    ],
)
def test_passwords_are_long_and_not_to_be_guessed(password: str, is_taken: bool) -> None:
    anna = User(login="annamariafeuer", first_name="Anna", last_name="Feuer", email="anna.feuer@example.org")
    if is_taken:
        validate_password(password, anna)
    else:
        with pytest.raises(ValidationError):
            validate_password(password, anna)
