"""What a voice says on the phone: it reads an alarm and takes the answer from the keypad, as TwiML."""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

from django.utils import translation
from django.utils.translation import gettext as _

from alarms import texts
from alarms.answer_codes import recipient_of
from alarms.gateways.twilio import voice_url
from alarms.inbound import replies, twiml
from alarms.inbound.answering_by_phone import answer, caller, is_open
from alarms.models import AlarmMessage
from organizations.models import Organization

KEYS = {"1": True, "2": False}
# How often somebody is asked who presses another key.
ROUNDS = 3


def answer_call(*, number: str, digits: str, asked: int, organization: Organization | None, now: datetime) -> bytes:
    """Speak to somebody who calls; the call of a number that nobody has is not taken."""
    found = caller(number=number, organization=organization, now=now)
    if found is None:
        return twiml.response([twiml.reject()])
    with translation.override(found.language):
        if found.recipient is None:
            return _farewell(replies.nothing_to_answer(found.language))
        if found.is_shared:
            return _farewell(replies.shared(found.recipient))
        return _turn(found.recipient, digits=digits, asked=asked, now=now)


def talk(*, code: str, digits: str, asked: int, organization: Organization | None, now: datetime) -> bytes:
    """Speak to the recipient whose answer code this is: `digits` is what they have pressed, `asked` how often they were
    asked before."""
    recipient = recipient_of(code)
    if recipient is None or not _may_hear(recipient, organization):
        return twiml.response([twiml.hang_up()])
    with translation.override(recipient.user.language):
        return _turn(recipient, digits=digits, asked=asked, now=now)


def _may_hear(recipient: AlarmMessage, organization: Organization | None) -> bool:
    raised_by = recipient.alarm.organization
    return raised_by.is_active and recipient.user.is_active and organization in (None, raised_by)


def _turn(recipient: AlarmMessage, *, digits: str, asked: int, now: datetime) -> bytes:
    if is_open(recipient, now):
        if digits not in KEYS:
            return _ask(recipient, asked=asked, wrong=bool(digits))
        response = KEYS[digits]
        if answer(recipient, response=response, source="call"):
            return _farewell(*replies.noted(recipient, response=response))
    return _farewell(*replies.too_late(recipient))


def _ask(recipient: AlarmMessage, *, asked: int, wrong: bool) -> bytes:
    if asked >= ROUNDS:
        return _farewell(_("That was neither 1 nor 2."), _("Please answer in another way."))
    question = _("Press 1 if you are coming, 2 if you are not.")
    verbs = twiml.twice("\n".join([*texts.lines(texts.key_of(recipient)), question]), language=texts.voice())
    if wrong:
        verbs.insert(0, _spoken(_("That was neither 1 nor 2.")))
    action = f"{voice_url(recipient.code)}?asked={asked + 1}"
    return twiml.response([twiml.gather(verbs, action=action), _spoken(_("We heard nothing."), _("Goodbye."))])


def _farewell(*sentences: str) -> bytes:
    return twiml.response([_spoken(*sentences, _("Goodbye."))])


def _spoken(*sentences: str) -> Element:
    return twiml.say(" ".join(sentences), language=texts.voice())
