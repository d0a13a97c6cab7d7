"""Twilio's answers: what it is to say, to ask or to send back (TwiML, an XML). Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

# What XML cannot hold.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

SECONDS_TO_PRESS = 8


def say(text: str, *, language: str) -> Element:
    element = Element("Say", language=language)
    element.text = FORBIDDEN.sub("", text)
    return element


def twice(text: str, *, language: str) -> list[Element]:
    """Say it, and once more after a breath: who picks up rarely gets all of it the first time."""
    return [say(text, language=language), Element("Pause", length="1"), say(text, language=language)]


def gather(verbs: Iterable[Element], *, action: str) -> Element:
    """Ask for one key while `verbs` are done, and for some seconds after; it goes to the URL `action`."""
    element = Element(
        "Gather",
        numDigits="1",
        # Else the # would be taken for the end of nothing.
        finishOnKey="",
        action=action,
        method="POST",
        timeout=str(SECONDS_TO_PRESS),
    )
    element.extend(verbs)
    return element


def hang_up() -> Element:
    return Element("Hangup")


def reject() -> Element:
    """Do not pick up a call that comes in."""
    return Element("Reject")


def response(verbs: Iterable[Element]) -> bytes:
    document = Element("Response")
    document.extend(verbs)
    content: bytes = tostring(document, encoding="utf-8", xml_declaration=True)
    return content


def message(text: str) -> bytes:
    """Return what has a text sent back by SMS; an empty one is not sent."""
    element = Element("Message")
    element.text = FORBIDDEN.sub("", text)
    return response([element] if text else [])
