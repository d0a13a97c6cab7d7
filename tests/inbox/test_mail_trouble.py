"""Copies by e-mail when the mail server is slow, hangs up or refuses, or when the worker is to end: none is lost, and
none comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from inbox.mailing import CopiesLeft, mail_copies
from inbox.models import InboxMessage
from inbox.sending import MessageOrder, send
from messaging_project import database
from organizations.models import Organization, User
from tests.inbox.test_mail_copies import reader, somebody, work
from tests.inbox.test_mail_copies_by_a_worker import LONG, Server, copies, running
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class TroubledServer(Server):
    """A mail server that may be slow, or take nothing of the service."""

    delay: float = 0.0
    """Seconds that each mail takes."""
    refusal: str = ""
    """What MAIL FROM is answered, instead of being taken."""
    asked: int = 0
    """How many MAIL FROM have come."""

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked += 1
        if self.refusal:
            return self.refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.delay)
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def server(settings: Any) -> Iterator[TroubledServer]:
    sink = TroubledServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    yield sink
    sink.close()


def sent_to(*users: User) -> None:
    """Send a message to users, whose copies are one job."""
    order = MessageOrder("Drill", users=[user.pk for user in users])
    send(order=order, sender=somebody(), organizations=Organization.objects.all(), now=timezone.now())
    assert copies().count() == 1


def settled() -> int:
    return InboxMessage.objects.exclude(copy_settled_at=None).count()


# The worker is to end


def test_a_worker_that_is_to_end_leaves_the_rest_to_the_next_and_each_copy_comes_once(
    server: TroubledServer, tmp_path: Path
) -> None:
    users = [reader() for _ in range(60)]
    sent_to(*users)
    # Several times as long as a worker is given, and less than `stop` waits for.
    server.delay = 0.4
    with running(tmp_path, "worker", port=server.port) as processes:
        until(lambda: len(server.mails) >= 2, what="copies are under way")
        assert processes.stop("worker") == 0
        assert 2 <= len(server.mails) == settled() < 60
        server.delay = 0.0
        processes.start("worker")
        until(lambda: not copies().exists(), seconds=LONG, what="the job is done")
    assert server.counts(*users) == [1] * 60
    assert len(server.mails) == settled() == 60


@pytest.mark.parametrize("taken", [0, 1, 4])
def test_a_run_that_is_to_end_begins_no_further_copy(server: TroubledServer, taken: int) -> None:
    users = [reader() for _ in range(5)]
    sent_to(*users)
    job, before = ProcrastinateJob.objects.get(), server.connections
    with pytest.raises(CopiesLeft):
        mail_copies(**job.args, now=timezone.now(), stop=lambda: len(server.mails) >= taken)
    assert (len(server.mails), settled(), server.connections - before) == (taken, taken, min(taken, 1))
    work()
    assert server.counts(*users) == [1] * 5


# The server hangs up


def test_those_for_whom_the_server_hangs_up_lose_nobody_elses_copy(server: TroubledServer) -> None:
    cursed = [reader() for _ in range(5)]
    others = [reader() for _ in range(20)]
    sent_to(*cursed, *others)
    server.cut_before |= {user.email for user in cursed}
    for _run in range(200):
        with suppress(CopiesLeft):
            work()
        if all(server.counts(*others)):
            break
    assert server.counts(*others) == [1] * 20
    assert server.counts(*cursed) == [0] * 5
    server.cut_before.clear()
    for _run in range(2):
        work()
    assert server.counts(*cursed, *others) == [1] * 25


# The server refuses the service


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize(
    "refusal", ["530 5.7.0 Authentication required", "550 5.7.1 Not from here", "451 Not now", "421 Closing"]
)
def test_a_server_that_takes_nothing_of_the_service_is_asked_once_a_run_until_it_does(
    server: TroubledServer, refusal: str, count: int
) -> None:
    users = [reader() for _ in range(count)]
    sent_to(*users)
    server.refusal = refusal
    for run in range(1, 4):
        with pytest.raises(CopiesLeft):
            work()
        assert (server.asked, settled()) == (run, 0)
    server.refusal = ""
    for _run in range(2):
        work()
    assert server.counts(*users) == [1] * count
    assert (server.asked, settled()) == (3 + count, count)


# When a copy is settled


def test_a_copy_is_settled_at_the_time_it_was_taken(server: TroubledServer) -> None:
    users = [reader(), reader()]
    sent_to(*users)
    began = database.now()
    with server.holding(users, work):
        (first,) = server.came
        server.held.remove(first)
        until(lambda: len(server.came) == 2, what="the second copy is on its way")
        between = database.now()
    times = dict(InboxMessage.objects.values_list("user__email", "copy_settled_at"))
    second = server.came[1]
    assert began < times[first] < between < times[second]
