"""An e-mail that is composed once for many is the one that each of them would have got."""

from __future__ import annotations

import dataclasses
import re

import pytest

from alarms.gateways.email import EmailGateway, compose
from tests.alarms.test_texts import DELIVERY
from tests.sinks import MailSink

MAILED = dataclasses.replace(
    DELIVERY, way="email", address="someone@example.org", device_message_id=7, code="abcdefghijkl", message="Fire"
)
# A mail server is told what differs; a line is folded or encoded, or it is not.
TEXTS = {
    "plain": "Fire in the hall",
    "umlauts": "Brand im Gerätehaus, Straße 5",
    "other scripts": "火事 🔥 пожар",
    "several lines": "Fire\n\nin the hall\n.\n..\nand elsewhere",
    "a very long line": "x" * 2000,
    "a very long line with umlauts": "ü" * 1200,
    "markup": "<b>Fire</b> & \"smoke\" 'there'",
    "what looks like a header": "Date: today\nMessage-ID: <x>\nTo: you",
}


def without_date_and_boundary(content: bytes) -> bytes:
    boundary = re.search(rb'boundary="(.*?)"', content)
    assert boundary
    content, dates = re.subn(rb"(?m)^Date: \w{3}, .*$", b"Date:", content.replace(boundary[1], b"BOUNDARY"))
    assert dates == 1
    return content


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("language", ["en", "de"])
def test_it_is_the_one_that_would_be_composed_for_each(mail: MailSink, text: str, language: str) -> None:
    first = dataclasses.replace(MAILED, message=text, language=language)
    second = dataclasses.replace(first, address="o.ther+x_1@mail.example", device_message_id=8, code="zyxwvutsrqpo")
    gateway = EmailGateway("email:")
    for delivery in (first, second):
        gateway.send(delivery)
    gateway.idle()
    for delivery, received in zip((first, second), mail.mails, strict=True):
        composed = compose(delivery).message().as_bytes(linesep="\r\n")
        assert without_date_and_boundary(received.content) == without_date_and_boundary(composed)
        assert received.to == delivery.address


@pytest.mark.parametrize("address", ["someone@bücher.example", '"a b"@example.org', "o'x@a.example"])
def test_an_address_that_needs_encoding_gets_what_is_composed_for_it(mail: MailSink, address: str) -> None:
    delivery = dataclasses.replace(MAILED, address=address)
    composed = compose(delivery).message()
    gateway = EmailGateway("email:")
    gateway.send(MAILED)
    gateway.send(delivery)
    gateway.idle()
    assert mail.mails[1].message["To"] == composed["To"]


def test_what_has_nothing_to_answer_has_no_address_of_a_page(mail: MailSink) -> None:
    gateway = EmailGateway("email:")
    gateway.send(dataclasses.replace(MAILED, code=""))
    gateway.send(MAILED)
    gateway.idle()
    without, with_one = (each.content for each in mail.mails)
    assert b"/a/" not in without
    assert with_one.count(MAILED.answer_url.encode()) == 2


def test_each_has_the_time_at_which_it_was_sent(mail: MailSink, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = EmailGateway("email:")
    for moment in (1_800_000_000, 1_800_086_400):
        monkeypatch.setattr("time.time", lambda moment=moment: moment)
        gateway.send(MAILED)
        monkeypatch.undo()
    gateway.idle()
    assert [each.message["Date"][:16] for each in mail.mails] == ["Fri, 15 Jan 2027", "Sat, 16 Jan 2027"]
