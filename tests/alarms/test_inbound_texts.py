"""What is read from a text that somebody has sent: yes, no, or that it is not clear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.inbound.reading_answers import read

YES = ("yes", "y", "yeah", "yep", "ok", "okay", "coming", "ja", "j", "jo", "jep", "jawohl", "komme", "1", "👍", "👍🏽")
NO = ("no", "n", "nope", "nein", "ne", "nee", "nicht", "0", "2", "👎", "👎🏿")


@pytest.mark.parametrize(("words", "response"), [(YES, True), (NO, False)])
def test_a_word_alone_is_an_answer_however_it_is_written(words: tuple[str, ...], response: bool) -> None:
    for word in words:
        for text in (word, word.upper(), word.capitalize(), f"  {word}\n", f"{word}!", f"„{word}.“", f"{word} {word}"):
            assert read(text) is response, text


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("Ja, in 5 Minuten", True),
        ("ja bin in 2 min da", True),
        ("JA\nkomme mit dem Rad", True),
        ("Yes - be there in 0:10", True),
        ("OK 👍", True),
        ("Komme sofort 🚒", True),
        ("Nein, bin krank", False),
        ("no, 1 hour away", False),
        ("Nein, ich komme leider nicht", False),
        ("Nein, komme nicht", False),
        ("No, I am not coming", False),
        ("\uff2a\uff21", True),
        ("ja\u00a0gern", True),
        ("👎 Urlaub", False),
    ],
)
def test_a_text_is_an_answer_by_its_first_word(text: str, response: bool) -> None:
    assert read(text) is response


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "?!",
        "komme nicht",
        "nein ja",
        "ja nein",
        "yes or no?",
        "👍👎",
        "ok, not coming",
        "Ok, I can\u2019t",
        "OK wont make it",
        "ja, kann aber nicht",
        "No problem, coming",
        "Vielleicht",
        "Bin unterwegs",
        "I said yes",
        "1 Stunde",
        "2 Minuten noch",
        "n bisschen spaeter",
        "ne Stunde",
        "10",
        "yesterday",
        "Jannik",
        "note",
        "STOP",
        "ALARM Feuerwehr",
    ],
)
def test_what_may_mean_both_or_neither_is_not_clear(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("Ja\n> ALARM\n> Bitte nicht antworten: nein", True),
        ("> yes\nno", False),
        ("> yes", None),
        ("  > ja\n\nNein\n>> ja", False),
    ],
)
def test_what_is_quoted_does_not_count(text: str, response: bool | None) -> None:
    assert read(text) is response


def test_of_a_long_text_only_the_beginning_is_read() -> None:
    assert read("ja " + "x" * 1_000_000) is True
    assert read("x" * 1_000_000 + " ja") is None
    assert read(">" * 1_000_000) is None
    assert read("\n \n" * 500_000 + "ja") is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert read(text) in (True, False, None)


@given(st.sampled_from(YES), st.sampled_from(NO), st.booleans(), st.sampled_from([" ", ", ", "\n", " ... "]))
def test_yes_and_no_together_are_never_an_answer(yes: str, no: str, swap: bool, between: str) -> None:
    if {yes, no} & {"0", "1", "2"}:
        # Digits may count minutes.
        return
    assert read(between.join((no, yes) if swap else (yes, no))) is None
