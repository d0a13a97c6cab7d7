"""Whatever the texts of an alarm hold, gateways hand on that text and nothing else."""

from __future__ import annotations

import asyncio
import email.policy
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alarms import gateways, texts
from alarms.delivery import Delivery
from alarms.gateways.base import LoopGateway
from alarms.gateways.email import EmailGateway
from messaging_project.log_settings import Line
from tests.alarms.test_texts import to
from tests.examples import examples
from tests.sinks import HttpSink, Mail, MailSink
from tests.twilio import TwilioSink

ODD = [
    "Fire\r\nBcc: everybody@example.org\r\n\r\nHello",
    "Fire\r\n.\r\nMAIL FROM:<a@example.org>\r\n",
    "Fire\r.\rRCPT TO:<b@example.org>\r",
    "\n.\n..\n. \n",
    "=?utf-8?q?Fire?= =0A =\n",
    "Fire\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1eSmoke",
    "\x1b[2J\x1b]0;title\x07\x08\x7f\x9b",
    "\u202eeriF\u202c \u2066x\u2069 \u200e\u200f \ufeff",
    "👩🏽\u200d🚒 👨\u200d👩\u200d👧\u200d👦 🇩🇪 a" + "\u0301" * 60,
    "\ufffe\uffff\U0001ffff\U0010ffff \ue000\U000f0000",
    "{address} {answerURL} {0} %s %(x)s $x ${x} \\1 \\n",
    "<script>alert(1)</script> &amp; &#0; ]]> <!-- \"'`",
    " \t ",
    "x" * 2000,
]
# What an alarm may hold: the API takes no NUL and no surrogate that stands alone.
TEXT = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)
# Of one line, as the names of devices and organizations are.
LINE = st.sampled_from(["Phone", "Phöne <b> =?utf-8?q?x?=", "👩🏽\u200d🚒", "\u202eenohP"])


@pytest.fixture(scope="module")
def http() -> Iterator[HttpSink]:
    with closing(HttpSink()) as sink:
        yield sink


@pytest.fixture(scope="module")
def twilio() -> Iterator[TwilioSink]:
    with closing(TwilioSink()) as sink:
        yield sink


@pytest.fixture(scope="module")
def mails() -> Iterator[MailSink]:
    with closing(MailSink()) as sink:
        yield sink


@pytest.fixture(autouse=True)
def base_url(settings: Any) -> None:
    settings.BASE_URL = "https://alarm.example"


def sent_by(url: str, delivery: Delivery) -> None:
    async def once() -> None:
        gateway = gateways.build(url)
        assert isinstance(gateway, LoopGateway)
        await gateway.send(delivery)
        await gateway.close()

    asyncio.run(once())


def each_odd(test: Any) -> Any:
    for text in ODD:
        test = example(message=text, event=text, device="Phone")(test)
    return test


@each_odd
@examples(15)
@given(message=TEXT, event=TEXT, device=LINE)
def test_a_gateway_of_ones_own_gets_json_with_the_text(http: HttpSink, message: str, event: str, device: str) -> None:
    delivery = to(message=message, event=event, device=device)
    http.posts.clear()
    sent_by(http.url, delivery)
    (post,) = http.posts
    body = json.loads(post.body.decode("utf-8"))
    assert (body["text"], body["device"], body["way"]) == (texts.plain(delivery), device, "sms")
    assert message in body["text"]


@each_odd
@examples(15)
@given(message=TEXT, event=TEXT, device=LINE)
def test_twilio_gets_a_form_with_the_text(twilio: TwilioSink, message: str, event: str, device: str) -> None:
    delivery = to(message=message, event=event, device=device)
    twilio.orders.clear()
    sent_by(twilio.gateway("twilio+sms"), delivery)
    (order,) = twilio.orders
    assert order.form["To"] == delivery.address
    assert order.form["Body"] == texts.written(delivery)


@pytest.fixture
def mailed(mails: MailSink, settings: Any) -> Iterator[Callable[[Delivery], Mail]]:
    """Sends an alarm by e-mail, over one connection, and returns what came of it."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mails.port
    gateway = EmailGateway("email:")

    def send(delivery: Delivery) -> Mail:
        mails.mails.clear()
        gateway.send(delivery)
        (mail,) = mails.mails
        return mail

    yield send
    gateway.idle()


@each_odd
@examples(15)
@given(message=TEXT, event=TEXT, device=LINE)
def test_an_e_mail_has_the_text_and_no_header_more(
    mailed: Callable[[Delivery], Mail], message: str, event: str, device: str
) -> None:
    for address in ("erna@example.org", "ärna@example.org"):
        delivery = to(way="email", address=address, message=message, event=event, device=device)
        got = mailed(delivery)
        sent = texts.email(delivery)
        assert got.to == address
        assert set(got.message.keys()) == HEADERS
        subject = shown(str(got.message["Subject"]))
        # What looks as if it were encoded, some readers take for that.
        assert "=?" in sent.subject or subject == shown(str(SUBJECT("Subject", sent.subject)))
        plain = got.message.get_body(("plain",))
        assert plain is not None
        assert ends(plain.get_content()) == ends(sent.plain)
        html = got.message.get_body(("html",))
        assert html is not None
        assert "<script" not in html.get_content()


# As whoever reads e-mail understands one.
SUBJECT = email.policy.default.header_factory
HEADERS = {
    *("Subject", "From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("Auto-Submitted", "Content-Language", "X-Priority"),
}


def shown(subject: str) -> str:
    """Return a subject without white space, as that may be where a line of it was folded."""
    assert len(subject.splitlines()) == 1
    return "".join(subject.split())


def ends(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", "\n", text).rstrip("\n")


@each_odd
@examples(30)
@given(message=TEXT, event=TEXT, device=LINE)
def test_what_is_logged_of_it_is_one_line_that_does_nothing(
    caplog: pytest.LogCaptureFixture, message: str, event: str, device: str
) -> None:
    caplog.clear()
    caplog.handler.setFormatter(Line("%(levelname)s %(name)s: %(message)s"))
    with caplog.at_level(logging.INFO):
        gateways.build("log:").send(to(message=message, event=event, device=device))  # type: ignore[attr-defined]
    (line,) = caplog.text.splitlines()
    assert line.startswith("INFO alarms.gateways.log: sms to ")
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", line)
