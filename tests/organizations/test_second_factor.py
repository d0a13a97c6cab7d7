"""A second factor: codes of an authenticator app, and recovery codes."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from messaging_project import database
from messaging_project.encryption import decrypt
from organizations import second_factor
from organizations.models import SecondFactor, User
from organizations.second_factor import WrongCode, check, step_of
from tests.factories import UserFactory
from tests.organizations import authenticator
from tests.organizations.authenticator import HALF_MINUTE

NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


@pytest.fixture
def anna(db: None) -> User:
    user: User = UserFactory(login="anna", is_staff=True)
    return user


@pytest.mark.parametrize(
    ("seconds", "code"),
    # The last six digits of those of RFC 6238, appendix B.
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert authenticator.code(secret, moment) == code
    assert step_of(secret, code, moment) == seconds // 30


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_half_a_minute_ahead_or_behind(steps: int, is_taken: bool) -> None:
    secret = second_factor.new_secret()
    shown = authenticator.code(secret, NOW + steps * HALF_MINUTE)
    assert (step_of(secret, shown, NOW) is not None) is is_taken


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "\uff11" * 6, "-12345", "1 2 3", "\x00", "²²²²²²"])
def test_what_is_no_code_is_none(text: str) -> None:
    assert step_of(second_factor.new_secret(), text, NOW) is None


def test_a_code_may_be_typed_in_two_groups_as_apps_show_it() -> None:
    secret = second_factor.new_secret()
    shown = authenticator.code(secret, NOW)
    assert step_of(secret, f" {shown[:3]} {shown[3:]} ", NOW)


def test_an_app_is_told_whose_account_it_is_and_where() -> None:
    secret = second_factor.new_secret()
    uri = urlsplit(second_factor.uri_of(secret, login="anna@x", issuer="Leitstelle: Süd"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/Leitstelle%20%20S%C3%BCd:anna%40x"
    assert parse_qs(uri.query)["secret"] == [secret]
    assert parse_qs(uri.query)["issuer"] == ["Leitstelle  Süd"]
    assert "+" not in uri.geturl()


def test_no_code_is_taken_twice_nor_one_before_it(anna: User) -> None:
    secret = second_factor.new_secret()
    second_factor.set_up(user_id=anna.pk, secret=secret, code=authenticator.code(secret, NOW), now=NOW)
    later = [authenticator.code(secret, NOW + n * HALF_MINUTE) for n in range(3)]
    then = NOW + HALF_MINUTE
    # That with which it was set up was used.
    assert not check(user_id=anna.pk, code=later[0], now=then)
    assert check(user_id=anna.pk, code=later[2], now=then)
    for used in later:
        assert not check(user_id=anna.pk, code=used, now=then)


def test_it_is_set_up_only_with_a_right_code(anna: User) -> None:
    secret = second_factor.new_secret()
    with pytest.raises(WrongCode):
        second_factor.set_up(user_id=anna.pk, secret=secret, code=authenticator.wrong(secret), now=database.now())
    anna.refresh_from_db()
    assert anna.second_factor_at is None
    assert not SecondFactor.objects.exists()


def test_ten_recovery_codes_are_each_good_for_once(anna: User) -> None:
    _secret, codes = authenticator.give(anna)
    assert len(set(codes)) == 10
    now = database.now()
    spellings = [codes[0].upper(), second_factor.in_fours(codes[1], "-"), f" {codes[2]} "]
    spellings.append(codes[3].replace("0", "O").replace("1", "l"))
    for code in spellings:
        assert check(user_id=anna.pk, code=code, now=now)
        assert not check(user_id=anna.pk, code=code, now=now)
    assert not check(user_id=anna.pk, code="0" * 16, now=now)
    assert not check(user_id=UserFactory().pk, code=codes[4], now=now)
    again = second_factor.renew_recovery_codes(user_id=anna.pk)
    assert not check(user_id=anna.pk, code=codes[4], now=now)
    assert check(user_id=anna.pk, code=again[0], now=now)


def test_neither_the_secret_nor_a_recovery_code_can_be_read_in_the_database(anna: User) -> None:
    secret, codes = authenticator.give(anna)
    with connection.cursor() as cursor:
        cursor.execute("SELECT f::text FROM organizations_secondfactor f")
        ((row,),) = cursor.fetchall()
    bare = base64.b32decode(secret)
    for text in (secret, bare.hex(), base64.b64encode(bare).decode(), *codes):
        assert text not in row


@pytest.mark.django_db(transaction=True)
def test_of_one_code_sent_many_times_at_once_one_is_taken() -> None:
    person = UserFactory()
    secret, codes = authenticator.give(person)
    now = database.now()

    def ask(code: str) -> bool:
        try:
            return check(user_id=person.pk, code=code, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        for code in (authenticator.code(secret, now), codes[0]):
            assert sum(pool.map(ask, [code] * 12)) == 1


def test_another_key_of_encryption_writes_it_and_without_any_the_recovery_codes_are_left(
    anna: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret, codes = authenticator.give(anna)
    settings.ENCRYPTION_KEYS = ["new", *settings.ENCRYPTION_KEYS]
    call_command("rotate_encryption", stdout=StringIO())
    settings.ENCRYPTION_KEYS = ["new"]
    assert decrypt(SecondFactor.objects.get().secret) == secret
    assert check(user_id=anna.pk, code=authenticator.current(secret), now=database.now())
    settings.ENCRYPTION_KEYS = ["lost"]
    SecondFactor.objects.update(last_step=0)
    assert not check(user_id=anna.pk, code=authenticator.current(secret), now=database.now())
    assert f"the second factor of user {anna.pk} cannot be read" in caplog.text
    assert check(user_id=anna.pk, code=codes[0], now=database.now())


def test_a_command_takes_it_from_who_has_lost_it(anna: User) -> None:
    def run(login: str) -> str:
        out = StringIO()
        call_command("reset_second_factor", login, stdout=out)
        return out.getvalue()

    authenticator.give(anna)
    assert run("anna") == "anna has no second factor any more.\n"
    anna.refresh_from_db()
    assert anna.second_factor_at is None
    assert run("anna") == "anna had no second factor.\n"
    with pytest.raises(CommandError, match="no person with the login 'nobody'"):
        run("nobody")
