"""The catalogs: what recipients get is translated in those of the app `alarms`, what the admin shows in those here."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation import gettext, override
from django.utils.translation.template import templatize

from tests.processes import ROOT

APPS = [ROOT / name for name in ("messaging_project", "organizations", "escalations", "alarms", "inbox")]
LANGUAGES = ["de"]
CATALOGS = sorted(path for app in APPS for path in app.glob("locale/*/LC_MESSAGES/django.po"))
ONE, SEVERAL = ("_", "gettext", "gettext_lazy"), ("ngettext", "ngettext_lazy")
KEYWORDS = (
    dict.fromkeys(ONE)
    | dict.fromkeys(SEVERAL, (1, 2))
    | dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2))
    | dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3))
)
PLACE = re.compile(r"%(?:\(\w+\))?[sdr]|\{\w*\}")
TAG = re.compile(r"<[^>]*>")
CALL = re.compile(r"\b(?:n?p?gettext|_)\(.*")

Text = tuple[str, ...]
"""A context or nothing, then a text, or those that are counted together."""


def texts_of(file: Path) -> Iterator[Text]:
    """Yield what a file has translated."""
    text = file.read_text()
    if file.suffix == ".html":
        # What is left of the template has no meaning in Python, its indents least of all.
        text = "\n".join(CALL.findall(templatize(text)))
    for _line, texts, _comments, context in extract("python", io.BytesIO(text.encode()), KEYWORDS):
        yield context or "", *together(texts)


def used() -> set[Text]:
    """Return what the service has translated: contexts and singulars."""
    files = [path for app in APPS for path in app.rglob("*") if path.suffix in {".py", ".html"}]
    return {texts[:2] for path in files if "migrations" not in path.parts for texts in texts_of(path)}


def together(texts: object) -> tuple[str, ...]:
    """Return one text, or those that are counted together, as the files of catalogs have them."""
    return (texts,) if isinstance(texts, str) else tuple(texts)  # type: ignore[arg-type]


def said_in(catalog: Path, *, read: Callable[[Any], Catalog] = read_po) -> dict[Text, Text]:
    with catalog.open("rb") as file:
        messages = [message for message in read(file) if message.id]
    return {(context_of(message), *together(message.id)): together(message.string) for message in messages}


def context_of(message: Message) -> str:
    # Read from a compiled catalog, it is bytes.
    context: str | bytes = message.context or ""
    return context.decode() if isinstance(context, bytes) else context


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    found = used()
    assert {("", "ALARM %(organization)s: %(event)s"), ("", "Raise an alarm"), ("recipients", "All")} <= found
    # Some are the same in both languages: then our catalogs say so.
    ours = {texts[:2] for catalog in CATALOGS if catalog.parts[-3] == language for texts in said_in(catalog)}
    with override(language):
        # Catalogs of Django and of those whose pages are ours have many of the texts.
        theirs = {(context, text) for context, text in found - ours if not context and gettext(text) != text}
    assert sorted(found - ours - theirs) == []


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.relative_to(ROOT).parts[0])
def test_a_compiled_catalog_is_what_the_catalog_says(catalog: Path) -> None:
    said = said_in(catalog)
    assert said_in(catalog.with_suffix(".mo"), read=read_mo) == said
    assert all(all(texts) for texts in said.values())


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.relative_to(ROOT).parts[0])
def test_a_translation_is_filled_in_with_what_its_text_is(catalog: Path) -> None:
    for (_context, *texts), translations in said_in(catalog).items():
        # Of texts that are counted together, the first may leave out the number, in a translation too.
        assert {frozenset(PLACE.findall(text)) for text in translations} == {
            frozenset(PLACE.findall(text)) for text in texts
        }, texts


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.relative_to(ROOT).parts[0])
def test_a_translation_has_the_markup_of_its_text(catalog: Path) -> None:
    for (_context, *texts), translations in said_in(catalog).items():
        assert {tuple(TAG.findall(text)) for text in translations} == {tuple(TAG.findall(text)) for text in texts}, (
            texts
        )
