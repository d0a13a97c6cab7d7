"""An organization may bring gateways of its own: how they are kept, and whose messages go over them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from alarms.gateways import owned
from alarms.gateways.base import Gateway
from alarms.models import OrganizationGateway
from alarms.planning import usable_lines
from messaging_project import encryption
from organizations.models import Organization, Way
from tests import factories
from tests.factories import take_back

pytestmark = pytest.mark.django_db

FIRST = "https://user:hunter2@first.example/hunter2?token=hunter2"
SECOND = "http://second.example:8080/sms"
JSON = "json://user:hunter2@third.example/{address}?:token=hunter2"


@pytest.fixture
def other() -> Organization:
    created: Organization = factories.OrganizationFactory()
    return created


def urls(gateways: Iterable[Gateway]) -> list[str]:
    return [gateway.url for gateway in gateways]


def rows() -> list[str]:
    """Return each row as the database shows it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT g::text FROM alarms_organizationgateway g ORDER BY id")
        return [row for (row,) in cursor.fetchall()]


def unreadable(organization: Organization, way: str = "sms") -> OrganizationGateway:
    """Return a row that was written with a key that is lost."""
    with override_settings(ENCRYPTION_KEYS=["a lost key"]):
        return owned.bring(organization=organization, way=way, urls=FIRST)


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


# Bringing


def test_several_are_kept_in_their_order_and_of_a_way_only(brigade: Organization, other: Organization) -> None:
    owned.bring(organization=brigade, way="sms", urls=f"  {FIRST}\n {JSON}   {SECOND} ")
    owned.bring(organization=other, way="sms", urls=SECOND)
    assert urls(owned.in_order(("sms", brigade.pk))) == [FIRST, JSON, SECOND]
    assert urls(owned.in_order(("sms", other.pk))) == [SECOND]
    assert owned.in_order(("call", brigade.pk)) == ()
    assert urls(owned.in_order(("sms", 0))) == ["log:"]


def test_neither_url_nor_secret_stand_in_the_database_and_only_names_are_shown(brigade: Organization) -> None:
    row = owned.bring(organization=brigade, way="sms", urls=f"{FIRST} {JSON} {SECOND}")
    assert row.summary == "first.example JSON second.example"
    [kept] = rows()
    for piece in ("hunter2", "user", "token", "http", "//", "8080", "third.example", "{address}"):
        assert piece not in kept
    again = owned.bring(organization=brigade, way="sms", urls=f"{FIRST} {JSON} {SECOND}")
    assert (again.pk, rows() == [kept]) == (row.pk, False), "equal URLs can be told from what is kept"


def test_what_is_brought_later_replaces_all_that_was_there(brigade: Organization) -> None:
    for brought in (f"{FIRST} {SECOND}", SECOND):
        row = owned.bring(organization=brigade, way="sms", urls=brought)
    assert urls(owned.in_order(("sms", brigade.pk))) == [SECOND]
    assert OrganizationGateway.objects.get() == row
    assert row.summary == "second.example"


REFUSED = {
    "nothing": "",
    "blank": " \n ",
    "no URL": "hunter2",
    "no host": "http://?hunter2",
    "a bracket": "http://[hunter2",
    "no port": "http://gateway.example:hunter2/",
    "a port too high": "https://gateway.example:99999/hunter2",
    "a control character": "http://gate\x00way.example/hunter2",
    "an unknown scheme": "nobody-knows-this://hunter2@host/{address}",
    "no place for an address": "json://gateway.example/hunter2",
    "this machine": "syslog://hunter2/{address}",
    "our log": "log:",
    "our log again": "LOG:hunter2",
    "our mail server": "email:",
    "our mail server again": "Email://hunter2@mail.example",
    "a bad one after a good one": f"{FIRST} hunter2",
    "ours after a good one": f"{FIRST} log:",
    "nine": " ".join([FIRST] * 9),
}


@pytest.mark.parametrize("brought", list(REFUSED.values()), ids=list(REFUSED))
def test_what_cannot_be_used_is_refused_without_repeating_it(brigade: Organization, brought: str) -> None:
    owned.bring(organization=brigade, way="sms", urls=SECOND)
    with pytest.raises(ValidationError) as raised:
        owned.bring(organization=brigade, way="sms", urls=brought)
    [message] = raised.value.messages
    assert len(message) > 10
    for said in (message, str(raised.value), str(raised.value.__cause__)):
        assert "hunter2" not in said
        assert "first.example" not in said
    assert urls(owned.in_order(("sms", brigade.pk))) == [SECOND]


def test_it_is_said_which_of_several_is_wrong(brigade: Organization) -> None:
    with pytest.raises(ValidationError, match="2"):
        owned.bring(organization=brigade, way="sms", urls=f"{FIRST} hunter2 {SECOND}")


def test_eight_are_not_too_many(brigade: Organization) -> None:
    eight = [f"https://gateway{number}.example/sms" for number in range(8)]
    owned.bring(organization=brigade, way="sms", urls=" ".join(eight))
    assert urls(owned.in_order(("sms", brigade.pk))) == eight


# Whose are used


def test_a_way_uses_its_own_where_there_are_some_and_else_the_services(
    brigade: Organization, other: Organization
) -> None:
    owned.bring(organization=brigade, way="sms", urls=FIRST)
    owned.bring(organization=other, way="call", urls=SECOND)
    service = {way: (way, 0) for way in Way.values}
    assert owned.available(brigade) == service | {"sms": ("sms", brigade.pk)}
    assert owned.available(other) == service | {"call": ("call", other.pk)}
    assert owned.available(factories.OrganizationFactory()) == service


def test_a_way_that_the_service_has_no_gateway_for_is_there_for_who_brings_one(
    brigade: Organization, other: Organization, settings: Any
) -> None:
    settings.GATEWAYS = {way: [] for way in Way.values} | {"app": ["log:"]}
    owned.bring(organization=brigade, way="sms", urls=FIRST)
    assert owned.available(brigade) == {"app": ("app", 0), "sms": ("sms", brigade.pk)}
    assert owned.available(other) == {"app": ("app", 0)}
    assert set(owned.everybodys()) == {("app", 0), ("sms", brigade.pk)}


def test_a_disabled_way_is_not_used_over_its_own_gateway_either(brigade: Organization) -> None:
    owned.bring(organization=brigade, way="sms", urls=FIRST)
    brigade.disabled_ways = ["sms", "call"]
    assert usable_lines(brigade) == {way: (way, 0) for way in ("app", "pager", "email")}


def test_taken_back_the_services_are_used_again(brigade: Organization, other: Organization) -> None:
    for organization in (brigade, other):
        owned.bring(organization=organization, way="sms", urls=FIRST)
    take_back(brigade)
    assert owned.available(brigade)["sms"] == ("sms", 0)
    assert owned.available(other)["sms"] == ("sms", other.pk)
    take_back(brigade)


def test_all_lines_are_known(brigade: Organization, other: Organization) -> None:
    owned.bring(organization=brigade, way="sms", urls=f"{FIRST} {SECOND}")
    owned.bring(organization=other, way="sms", urls=SECOND)
    found = {line: urls(gateways) for line, gateways in owned.everybodys().items()}
    assert found == {(way, 0): ["log:"] for way in Way.values} | {
        ("sms", brigade.pk): [FIRST, SECOND],
        ("sms", other.pk): [SECOND],
    }


# What no key reads


def test_where_no_key_reads_it_the_services_are_used_and_it_is_logged_once(
    brigade: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    unreadable(brigade)
    for _time in range(3):
        assert owned.available(brigade)["sms"] == ("sms", 0)
        assert ("sms", brigade.pk) not in owned.everybodys()
        assert owned.in_order(("sms", brigade.pk)) == ()
    [record] = errors(caplog)
    said = record.getMessage()
    assert f"organization={brigade.pk} sms" in said
    assert OrganizationGateway.objects.get().urls not in said


@pytest.mark.parametrize("kept", ["", "no cipher", "fünf", "gAAAAAB"])
def test_what_was_never_encrypted_hurts_nobody(
    brigade: Organization, other: Organization, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    owned.bring(organization=other, way="sms", urls=SECOND)
    OrganizationGateway.objects.create(organization=brigade, way="sms", urls=kept, summary="first.example")
    assert owned.available(brigade)["sms"] == ("sms", 0)
    assert urls(owned.everybodys()["sms", other.pk]) == [SECOND]
    assert len(errors(caplog)) == 1


def test_what_was_brought_once_and_could_not_be_any_more_hurts_nobody(
    brigade: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    """A later version may know fewer schemes, or be stricter."""
    cipher = encryption.encrypt("gone-with-the-plugin://hunter2@host/{address}")
    OrganizationGateway.objects.create(organization=brigade, way="sms", urls=cipher, summary="Gone")
    assert owned.available(brigade)["sms"] == ("sms", 0)
    [record] = errors(caplog)
    assert "hunter2" not in record.getMessage()


# Rotating keys


def test_after_the_rotation_the_new_key_alone_reads_all(
    brigade: Organization, other: Organization, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ENCRYPTION_KEYS = ["old"]
    owned.bring(organization=brigade, way="sms", urls=f"{FIRST} {SECOND}")
    settings.ENCRYPTION_KEYS = ["new", "old"]
    assert urls(owned.in_order(("sms", brigade.pk))) == [FIRST, SECOND]
    owned.bring(organization=other, way="call", urls=SECOND)
    call_command("rotate_encryption")
    assert capsys.readouterr().out == "Encrypted with the first key: 2\n"
    settings.ENCRYPTION_KEYS = ["new"]
    assert urls(owned.in_order(("sms", brigade.pk))) == [FIRST, SECOND]
    assert urls(owned.in_order(("call", other.pk))) == [SECOND]
    for row in OrganizationGateway.objects.all():
        assert encryption.decrypt(row.urls)
        with override_settings(ENCRYPTION_KEYS=["old"]), pytest.raises(encryption.CannotDecrypt):
            encryption.decrypt(row.urls)


def test_where_one_cannot_be_read_nothing_is_rotated(brigade: Organization, other: Organization, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ["new", "old"]
    owned.bring(organization=brigade, way="sms", urls=FIRST)
    lost = unreadable(other)
    before = rows()
    with pytest.raises(CommandError, match=f"{lost.pk}"):
        call_command("rotate_encryption")
    assert rows() == before
