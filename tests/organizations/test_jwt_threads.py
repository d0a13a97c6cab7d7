"""The published keys of `Authorization: Bearer`, asked for by several threads of a web process at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from messaging_project.errors import KeysAway
from organizations.authentication import KeySet
from tests.organizations.test_jwt_keys import Issuer
from tests.processes import until


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def pool(issuer: Issuer) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool
        issuer.open.set()


def reading(keys: KeySet, issuer: Issuer, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> Future[Any]:
    """A thread that reads old keys anew, from an issuer that hangs."""
    assert keys.key("a")
    monkeypatch.setattr(keys, "LIFETIME", 0.0)
    monkeypatch.setattr(keys, "PAUSE", 0.0)
    issuer.open.clear()
    thread = pool.submit(keys.key, "a")
    until(lambda: len(issuer.asked) == 2)
    return thread


def test_the_first_keys_are_read_by_one_thread_for_all(issuer: Issuer, pool: ThreadPoolExecutor) -> None:
    keys = KeySet(issuer.url, "RS256")
    issuer.open.clear()
    threads = [pool.submit(keys.key, "a") for _thread in range(8)]
    until(lambda: issuer.asked)
    assert not any(thread.done() for thread in threads)
    issuer.open.set()
    assert all(thread.result(10) for thread in threads)
    assert issuer.asked == ["/keys"]


def test_a_known_key_does_not_wait_for_the_issuer(
    issuer: Issuer, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeySet(issuer.url, "RS256")
    thread = reading(keys, issuer, pool, monkeypatch)
    assert keys.key("a")
    assert not thread.done()
    issuer.open.set()
    assert thread.result(10)


def test_an_unknown_key_waits_only_for_so_long(
    issuer: Issuer, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeySet(issuer.url, "RS256")
    thread = reading(keys, issuer, pool, monkeypatch)
    monkeypatch.setattr(keys, "TIMEOUT", 0.05)
    with pytest.raises(KeysAway):
        keys.key("new")
    assert not thread.done()
    assert len(issuer.asked) == 2


def test_an_issuer_that_hangs_is_away(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KeySet.TIMEOUT == 5
    monkeypatch.setattr(KeySet, "TIMEOUT", 0.1)
    issuer.open.clear()
    begun = time.monotonic()
    with pytest.raises(KeysAway):
        KeySet(issuer.url, "RS256").key("a")
    assert time.monotonic() - begun < 4
