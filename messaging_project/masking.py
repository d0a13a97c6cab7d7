"""Secrets where they do not belong: what is logged of what others wrote, and a dump of the settings, has none."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from functools import cache
from urllib.parse import unquote, urlsplit

from django.conf import settings

MASK = "********"


class Secret(str):
    """A text as any other, but for how it is shown: by `diffsettings`, in a list or on a page of an error."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


# Whatever they hold, each with what is shown of it.
PATTERNS = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        # Tokens of ours, of which the beginning is no secret, and of issuers.
        (r"\b(ga_(?:org|pat)_[0-9a-f]{12})[0-9a-f]+", rf"\1{MASK}"),
        (r"\beyJ[\w-]+\.[\w-]+\.[\w-]*", MASK),
        (r"(?i)\b(bearer|basic) [\w.~+/=-]+", rf"\1 {MASK}"),
        # The codes of answers.
        (r"(/(?:a|voice)/)[^/\s\"'?]+", rf"\1{MASK}"),
        (r"://[^/\s\"'@]*@", f"://{MASK}@"),
        # What PostgreSQL tells of rows and statements.
        (r"\b(DETAIL|LINE \d+|CONTEXT): [^\n\\]*", rf"\1: {MASK}"),
    )
)
# Shorter ones may be a part of any word.
SHORTEST, SHORTEST_PART = 6, 12


def masked(text: str) -> str:
    """Return a text without the secrets of the settings, tokens and the like."""
    for pattern, shown in PATTERNS:
        text = pattern.sub(shown, text)
    known = _known()
    return known.sub(MASK, text) if known else text


def place_of(error: BaseException) -> str:
    """Return what an error is and where it came from, for a log, without what it says."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()


@cache
def _known() -> re.Pattern[str] | None:
    found = {part for name in dir(settings) if name.isupper() for part in _parts_of(getattr(settings, name))}
    # What is a part of another comes later.
    return re.compile("|".join(map(re.escape, sorted(found, key=len, reverse=True)))) if found else None


def _parts_of(value: object) -> Iterator[str]:
    """Yield each secret in a value, and those in its parts where it is a URL."""
    match value:
        case dict():
            for each in value.values():
                yield from _parts_of(each)
        case list() | tuple():
            for each in value:
                yield from _parts_of(each)
        case Secret() if len(value) >= SHORTEST:
            yield str(value)
            if "://" in value:
                yield from _parts_of_url(str(value))


def _parts_of_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        host, password = parts.hostname, unquote(parts.password or "")
    except ValueError:
        host, password = None, ""
    if len(password) >= SHORTEST:
        yield password
    for part in re.split(r"[/?&=:@#;,{}\s]+", url):
        if part != host and len(part) >= SHORTEST_PART:
            yield from {part, unquote(part)}
