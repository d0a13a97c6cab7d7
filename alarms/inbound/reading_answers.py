"""What somebody means by what they have texted. Pure functions."""

from __future__ import annotations

import re
import unicodedata

# So much of a text is looked at; the longest SMS is shorter.
LONGEST = 2000

# These are an answer by themselves only: "1 hour" and "2 minutes" are none, and "n" or "ne" may be the beginning of
# anything. A 0 or a 2 is no as on the keypad of a phone.
YES_ALONE = frozenset({"1", "y", "j"})
NO_ALONE = frozenset({"0", "2", "n", "ne"})
# With these an answer may begin, whatever follows that does not say the opposite.
YES = frozenset({"yes", "yeah", "yep", "ok", "okay", "coming", "ja", "jo", "jep", "jawohl", "komme", "👍"})
NO = frozenset({"no", "nope", "nein", "nee", "nicht", "👎"})
# With these none begins, but they take a yes back.
NEGATIONS = frozenset(
    {"not", "cannot", "never", "unable", "cant", "wont", "dont", "isnt", "arent", "couldnt", "wouldnt"}
    | {"kein", "keine", "keinen", "nie", "niemals"}
)
# What takes an answer back; digits do not, as they may count minutes.
OPPOSITES = {True: NO | {"n", "ne"} | NEGATIONS, False: YES | {"y", "j"}}

QUOTED = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
APOSTROPHES = str.maketrans("", "", "'’‘`´")  # noqa: RUF001 - as phones write them
WORD = re.compile(r"[^\W_]+|👍|👎")
# "No, I am not coming" says no twice.
NOT_COMING = re.compile(r"\b(?:komme (?:\w+ )?nicht|not coming)\b")


def read(text: str) -> bool | None:
    """Return what an answer says, in English or German, whatever the language of who wrote it; None: it is not clear.

    It is an answer as a whole or by its first word, if no other word says the opposite. Lines that are quoted (`>`) do
    not count.
    """
    said = unicodedata.normalize("NFKC", QUOTED.sub("", text[:LONGEST])).casefold().translate(APOSTROPHES)
    first, *rest = WORD.findall(said) or [""]
    if not set(rest) - {first}:
        return _of(first, yes=YES | YES_ALONE, no=NO | NO_ALONE)
    response = _of(first, yes=YES, no=NO)
    if response is False:
        rest = WORD.findall(NOT_COMING.sub(" ", said))
    return None if response is None or OPPOSITES[response].intersection(rest) else response


def _of(word: str, *, yes: frozenset[str], no: frozenset[str]) -> bool | None:
    return True if word in yes else False if word in no else None
