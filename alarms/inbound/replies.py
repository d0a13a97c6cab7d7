"""What a recipient is told who answers from a phone: in their language, and in one SMS where that is possible."""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import gettext as _

from alarms import texts
from alarms.models import AlarmMessage

# What an SMS holds (GSM 03.38). Some characters take the place of two; with any other it holds less than half.
SMS = 160
TWO_PLACES = frozenset("^{}\\[~]|€")


def nothing_to_answer(language: str) -> str:
    with translation.override(language):
        return _("There is no alarm to answer.")


def unclear(recipient: AlarmMessage) -> str:
    with translation.override(recipient.user.language):
        return _about(recipient, _("Sorry, that was not clear. Please answer YES or NO."))


def shared(recipient: AlarmMessage) -> str:
    with translation.override(recipient.user.language):
        return _about(recipient, _("Several people have this number. Please answer with the link in your message."))


def kept(recipient: AlarmMessage, *, response: bool) -> str:
    with translation.override(recipient.user.language):
        return _about(recipient, *noted(recipient, response=response))


def over(recipient: AlarmMessage) -> str:
    with translation.override(recipient.user.language):
        return _about(recipient, *too_late(recipient))


def noted(recipient: AlarmMessage, *, response: bool) -> tuple[str, ...]:
    """Return, in the language in force, that an answer is kept, and until when it may be changed."""
    until = texts.moment(texts.key_of(recipient))
    return _("Thank you."), _said(response=response), _("You can change it until %(time)s.") % {"time": until}


def too_late(recipient: AlarmMessage) -> tuple[str, ...]:
    """Return, in the language in force, why nothing can be answered any more, and the answer that stands."""
    if recipient.alarm.closed_at is not None:
        why = _("The alarm is over.")
    else:
        why = _("The time to answer was over at %(time)s.") % {"time": texts.moment(texts.key_of(recipient))}
    return (why,) if recipient.response is None else (why, _said(response=recipient.response))


def _said(*, response: bool) -> str:
    return _("Your answer: coming.") if response else _("Your answer: not coming.")


def _about(recipient: AlarmMessage, *sentences: str) -> str:
    """Return a reply with the headline of the alarm below it, as far as that fits."""
    text = " ".join(sentences)
    headline = texts.lines(texts.key_of(recipient))[0]
    return f"{text}\n{shortened(headline, SMS - places(text) - 1)}".strip()


def places(text: str) -> int:
    """Return how much of an SMS a text takes."""
    return len(text) + sum(character in TWO_PLACES for character in text)


def shortened(text: str, room: int) -> str:
    """Return the beginning of a text that takes no more than so many places."""
    if places(text) <= room:
        return text
    while text and places(text) > room - 3:
        text = text[:-1]
    return f"{text.rstrip()}..." if text else ""
