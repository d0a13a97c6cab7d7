"""TwiML: whatever a text holds, it is XML that says it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.inbound import twiml
from tests.twilio import parsed, spoken


def test_a_question_is_asked_by_these_verbs() -> None:
    document = twiml.response(
        [
            twiml.gather(twiml.twice("Feuer & <Rauch>", language="de-DE"), action="https://a.example/?a=1&b=2"),
            twiml.say("Nichts.", language="de-DE"),
        ]
    )
    assert document.decode() == (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        '<Response><Gather numDigits="1" finishOnKey="" action="https://a.example/?a=1&amp;b=2" method="POST"'
        ' timeout="8"><Say language="de-DE">Feuer &amp; &lt;Rauch&gt;</Say><Pause length="1" />'
        '<Say language="de-DE">Feuer &amp; &lt;Rauch&gt;</Say></Gather><Say language="de-DE">Nichts.</Say></Response>'
    )


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (twiml.message(""), "<Response />"),
        (twiml.message("Ja <b>"), "<Response><Message>Ja &lt;b&gt;</Message></Response>"),
        (twiml.response([twiml.reject()]), "<Response><Reject /></Response>"),
        (twiml.response([twiml.hang_up()]), "<Response><Hangup /></Response>"),
    ],
)
def test_these_are_the_other_answers(document: bytes, expected: str) -> None:
    assert document.decode() == f"<?xml version='1.0' encoding='utf-8'?>\n{expected}"


# All that there is, surrogates that stand alone too.
ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_any_text_is_said_without_what_xml_cannot_hold(text: str) -> None:
    said = spoken(parsed(twiml.response([twiml.say(text, language="en-GB")])))[0]
    # What is left of a text that is XML already is all of it, but for the ends of lines.
    left = "".join(character for character in text if character >= " " or character in "\t\n\r")
    left = "".join(character for character in left if not "\ud800" <= character <= "\udfff")
    left = left.replace("\ufffe", "").replace("\uffff", "")
    assert said.replace("\r\n", "\n").replace("\r", "\n") == left.replace("\r\n", "\n").replace("\r", "\n")


@given(ANY)
def test_any_text_is_texted(text: str) -> None:
    message: Any = parsed(twiml.message(text)).find("Message")
    assert (message is None) is not bool(text)
