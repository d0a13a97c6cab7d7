"""Guessing codes of the answer page is throttled by address; who does not guess is never held up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import F
from django.test import Client

from alarms.answer_codes import forget
from alarms.models import WrongCode
from tests.alarms.test_answer_page import UNKNOWN, history, recipient, text, update, url

pytestmark = pytest.mark.django_db

BehindProxies = Callable[[int], None]


@pytest.fixture
def behind_proxies(settings: Any) -> BehindProxies:
    def behind(count: int) -> None:
        settings.REST_FRAMEWORK = django_settings.REST_FRAMEWORK | {"NUM_PROXIES": count}

    return behind


def guess(times: int, *, address: str = "192.0.2.7", forwarded: str | None = None) -> set[int]:
    """Ask for codes that nobody has; return the statuses of the answers."""
    return {status(UNKNOWN, address=address, forwarded=forwarded) for _ in range(times)}


def status(path: str, *, address: str = "192.0.2.7", forwarded: str | None = None) -> int:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return Client(REMOTE_ADDR=address, headers=headers).get(path).status_code


def pass_time(**span: float) -> None:
    WrongCode.objects.update(since=F("since") - timedelta(**span))


@pytest.mark.parametrize(("accepted", "words"), [("en", "Please wait a minute"), ("de", "Bitte eine Minute warten")])
def test_whoever_has_asked_for_10_unknown_codes_waits_until_the_minute_is_over(
    client: Client, accepted: str, words: str
) -> None:
    whose = recipient()
    for _ in range(10):
        assert client.get(UNKNOWN).status_code == 404
    pass_time(seconds=20)
    refused = [client.get(UNKNOWN), client.get(url(whose)), client.post(url(whose), {"response": "yes"})]
    refused.append(client.get(url(whose), headers={"Accept-Language": accepted}))
    for answer in refused:
        assert answer.status_code == 429
        assert 1 <= int(answer["Retry-After"]) <= 40
        assert "Smoke" not in text(answer)
    assert words in text(refused[-1])
    assert history(whose) == []
    # What was refused has not made it longer.
    pass_time(seconds=40)
    assert client.get(url(whose)).status_code == 200
    assert guess(10, address="127.0.0.1") == {404}
    assert client.get(url(whose)).status_code == 429


def test_who_asks_for_the_right_code_is_not_counted(client: Client) -> None:
    whose = recipient()
    over = recipient()
    update(over, deadline=over.alarm.starts_at)
    for _ in range(30):
        assert client.get(url(whose)).status_code == 200
        assert client.post(url(over), {"response": "yes"}).status_code == 409
    assert not WrongCode.objects.exists()
    assert guess(9, address="127.0.0.1") == {404}
    assert client.get(url(whose)).status_code == 200
    assert client.post(url(whose), {"response": "yes"}).status_code == 303


def test_every_method_and_every_form_of_a_wrong_code_counts(client: Client) -> None:
    for _ in range(3):
        client.head(UNKNOWN)
        client.post(UNKNOWN, {"response": "yes"})
        client.get("/a/nonsense")
    assert WrongCode.objects.get().count == 9


def test_wrong_codes_of_another_minute_do_not_add_up() -> None:
    for _ in range(5):
        assert guess(9) == {404}
        pass_time(seconds=60)
    assert guess(10) == {404}
    assert guess(1) == {429}


@pytest.mark.parametrize(
    ("guesser", "other", "held_up"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_an_address_of_ipv6_counts_by_its_network(guesser: str, other: str, held_up: bool) -> None:
    path = url(recipient())
    assert guess(10, address=guesser) == {404}
    assert status(path, address=other) == (429 if held_up else 200)


def test_without_a_proxy_of_ours_nobody_chooses_by_what_address_they_are_counted(behind_proxies: BehindProxies) -> None:
    behind_proxies(0)
    path = url(recipient())
    for number in range(10):
        assert status(UNKNOWN, forwarded=f"198.51.100.{number}") == 404
    assert status(path, forwarded="198.51.100.99") == 429
    assert status(path, address="192.0.2.8", forwarded="198.51.100.1") == 200


def test_behind_a_proxy_it_is_the_address_that_the_proxy_names_that_counts(behind_proxies: BehindProxies) -> None:
    behind_proxies(1)
    path = url(recipient())
    for number in range(10):
        assert status(UNKNOWN, forwarded=f"10.0.0.{number}, 198.51.100.1") == 404
    assert status(path, forwarded="198.51.100.1") == 429
    assert status(path, forwarded="198.51.100.1:4711") == 429
    assert status(path, forwarded="198.51.100.1, 198.51.100.2") == 200
    assert status(path) == 200


@pytest.mark.parametrize(
    ("forwarded", "counted"),
    [
        ("198.51.100.1:4711", "198.51.100.1"),
        ("[2001:db8::1]:4711", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("unknown", "192.0.2.7"),
        ("", "192.0.2.7"),
        ("x" * 5000, "192.0.2.7"),
        ("\x00", "192.0.2.7"),
    ],
)
def test_what_proxies_write_is_understood(behind_proxies: BehindProxies, forwarded: str, counted: str) -> None:
    behind_proxies(1)
    assert guess(1, forwarded=forwarded) == {404}
    assert WrongCode.objects.get().address == counted


def test_a_server_behind_a_socket_without_addresses_counts_all_the_same() -> None:
    assert guess(10, address="") == {404}
    assert guess(1, address="") == {429}


@pytest.mark.django_db(transaction=True)
def test_of_30_guesses_at_once_10_are_told_that_they_are_wrong() -> None:
    def ask(_number: int) -> int:
        try:
            return status(UNKNOWN)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(ask, range(30)))
    assert statuses.count(404) == 10
    assert statuses.count(429) == 20


def test_counts_are_forgotten_when_their_minute_is_over(now: datetime) -> None:
    for address, age in (("192.0.2.1", 61), ("192.0.2.2", 3600), ("192.0.2.3", 59)):
        WrongCode.objects.create(address=address, count=10, since=now - timedelta(seconds=age))
    forget(now=now)
    assert WrongCode.objects.get().address == "192.0.2.3"
