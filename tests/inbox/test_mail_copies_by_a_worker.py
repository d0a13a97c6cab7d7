"""Copies by e-mail by the real processes: asked for over HTTP, sent by a worker to a real mail server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from inbox.models import InboxMessage, Message
from inbox.sending import MessageOrder, send
from organizations.models import Group, Organization, User
from tests.client import Client
from tests.factories import GroupFactory, OrganizationFactory, member
from tests.processes import Processes, service, until
from tests.sinks import Mail, MailSink, refusing_port

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 150.0  # seconds; the time between two attempts grows


@dataclass
class Server(MailSink):
    """A mail server that may have trouble with a mail, or with the connection, for an address."""

    spoiled: dict[str, str] = field(default_factory=dict)
    """What the mail to an address is answered when it has come, instead of being taken."""
    cut_before: set[str] = field(default_factory=set)
    cut_after: set[str] = field(default_factory=set)
    """It takes the mail to these, but the connection ends before it can say so."""
    held: set[str] = field(default_factory=set)
    """The mails to these are not answered for the time being."""
    came: list[str] = field(default_factory=list)
    """To whom mails have come, taken or not."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        (address,) = envelope.rcpt_tos
        self.came.append(address)
        while address in self.held:
            await asyncio.sleep(0.01)
        if address in self.spoiled:
            return self.spoiled[address]
        if address not in self.cut_before:
            await super().handle_DATA(server, session, envelope)
        if address in self.cut_before | self.cut_after:
            server.transport.close()
        return "250 OK"

    def of(self, user: User) -> list[Mail]:
        return [mail for mail in self.mails if mail.to == user.email]

    def counts(self, *users: User) -> list[int]:
        return [len(self.of(user)) for user in users]

    @contextmanager
    def holding(self, users: Sequence[User], run: Callable[[], None]) -> Iterator[None]:
        """Do `run` in another thread; the block is run while its first mail to `users` is on its way."""

        def run_and_close() -> None:
            try:
                run()
            finally:
                connection.close()

        self.held |= {user.email for user in users}
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run_and_close)
            try:
                until(lambda: self.held.intersection(self.came))
                yield
            finally:
                self.held.clear()
        running.result()


def text_of(mail: Mail) -> str:
    content: str = mail.message.get_content()
    return content.replace("\r\n", "\n")


@contextmanager
def running(folder: Path, *names: str, port: int) -> Iterator[Processes]:
    """Processes of the service whose mail server is at a port of this machine, where there need not be any."""
    with service(folder, EMAIL_URL=f"smtp://127.0.0.1:{port}") as processes:
        processes.start(*names)
        if "web" in names:
            until(processes.alive)
        yield processes


def group_of(brigade: Organization, *users: User) -> Group:
    group: Group = GroupFactory(organization=brigade)
    group.memberships.set(brigade.memberships.filter(user__in=users))
    return group


def ask(processes: Processes, sender: User, **body: Any) -> int:
    """Send a message over HTTP and return the status."""
    status, _answer = Client(processes.url, sender).request("POST", "/msg/send", {"message": "Drill"} | body)
    return status


def copies() -> Any:
    """The jobs that are to be done, or are not done for good."""
    return ProcrastinateJob.objects.filter(task_name="inbox.mail_copies")


def test_what_was_sent_while_the_mail_server_was_down_comes_once_to_each_in_their_language(
    brigade: Organization, tmp_path: Path
) -> None:
    languages = ["en", "de", "fr"] * 4
    users = [member(brigade, language=language, inbox_to_email=True) for language in languages]
    without = member(brigade)
    group = group_of(brigade, *users, without)
    away = ExitStack()
    port = away.enter_context(refusing_port())
    expected = {"en": "Drill on 1 May", "de": "Übung am 1 May", "fr": "Exercice le 1 May"}
    with away, running(tmp_path, "web", "worker", port=port) as processes:
        translations = {"de": "Übung am {0}", "fr": "Exercice le {0}"}
        body = {"message": "Drill on {0}", "translations": translations, "parameters": ["1 May"]}
        assert ask(processes, member(brigade), toGroupId=[group.pk], toUserId=[users[0].pk], **body) == 201
        until(lambda: copies().filter(attempts__gte=1, status="todo").exists(), what="an attempt has failed")
        assert not InboxMessage.objects.exclude(copy_settled_at=None).exists()
        away.close()
        server = Server(port=port)
        try:
            until(lambda: not copies().exists(), seconds=LONG, what="the job is done")
        finally:
            server.close()
        log = processes.log("worker")
    assert Counter(mail.to for mail in server.mails) == Counter(user.email for user in users)
    for user, language in zip(users, languages, strict=True):
        (mail,) = server.of(user)
        assert text_of(mail).startswith(f"{expected[language]}\n")
        assert mail.message["Content-Language"] == language
        assert user.email not in log


def test_a_worker_that_is_killed_in_the_middle_loses_no_copy_and_repeats_none_that_was_settled(
    brigade: Organization, tmp_path: Path
) -> None:
    users = [member(brigade, inbox_to_email=True) for _ in range(60)]
    server = Server(held={users[20].email})
    try:
        with running(tmp_path, "web", "worker", port=server.port) as processes:
            group = group_of(brigade, *users)
            assert ask(processes, member(brigade), toGroupId=[group.pk]) == 201
            until(lambda: users[20].email in server.came)
            processes.kill("worker")
            settled = list(User.objects.filter(inbox_messages__copy_settled_at__isnull=False))
            assert 0 < len(settled) < 60
            server.held.clear()
            processes.start("worker")
            until(lambda: not copies().exists(), seconds=LONG, what="the job of the dead worker is done")
    finally:
        server.close()
    assert min(server.counts(*users)) == 1
    assert set(server.counts(*settled)) == {1}
    assert len({mail.message["Message-ID"] for mail in server.mails}) == 60
    assert len(server.mails) <= 61, "only what was on its way may come twice"


def test_two_workers_send_each_copy_once(brigade: Organization, tmp_path: Path) -> None:
    users = [member(brigade, inbox_to_email=True) for _ in range(40)]
    server = Server()
    try:
        with running(tmp_path, "web", "worker", "worker", port=server.port) as processes:
            group, sender = group_of(brigade, *users), member(brigade)
            for number in range(5):
                assert ask(processes, sender, toGroupId=[group.pk], message=f"Drill {number}") == 201
            until(lambda: not copies().exists(), seconds=LONG, what="the jobs are done")
    finally:
        server.close()
    assert server.counts(*users) == [5] * 40
    assert len({mail.message["Message-ID"] for mail in server.mails}) == 200


def test_what_is_refused_or_rolled_back_mails_nothing(brigade: Organization, tmp_path: Path) -> None:
    user, sender = member(brigade, inbox_to_email=True), member(brigade)
    stranger = member(OrganizationFactory(), inbox_to_email=True)
    server = Server()
    try:
        with running(tmp_path, "web", "worker", port=server.port) as processes:
            assert ask(processes, sender, toUserId=[user.pk, stranger.pk]) == 400
            assert ask(processes, sender, toUserId=[user.pk], instantTimeMinutes=-1) == 400
            order = MessageOrder("Rolled back", users=[user.pk])
            with transaction.atomic():
                send(order=order, sender=sender, organizations=Organization.objects.all(), now=timezone.now())
                assert copies().exists()
                transaction.set_rollback(True)
            assert ask(processes, sender, toUserId=[user.pk], message="This one counts") == 201
            until(lambda: server.mails and not copies().exists(), what="the job is done")
    finally:
        server.close()
    (mail,) = server.mails
    assert (mail.to, text_of(mail).splitlines()[0]) == (user.email, "This one counts")
    assert Message.objects.count() == InboxMessage.objects.count() == 1
