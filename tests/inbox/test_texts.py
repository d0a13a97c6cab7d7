"""What a recipient reads: the text in their language, its parameters filled in, and the catalogs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.core.checks import run_checks
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from inbox import texts
from tests.inbox.conftest import compiled

OWN_FOLDER = Path(texts.__file__).parent / "locale"
OF_ALL_APPS = sorted(
    path
    for path in OWN_FOLDER.parent.parent.glob("*/locale/de/LC_MESSAGES/django.po")
    if path.parts[-5] != texts.PROJECT
)
CATALOGS = sorted(OWN_FOLDER.glob("*/LC_MESSAGES/django.po"))

COPY = "A copy of what %(name)s has sent to your inbox."
KOPIE = "Eine Kopie dessen, was %(name)s an Ihr Postfach geschickt hat."

# Texts in which placeholders, and what looks like one, are frequent.
pieces = st.one_of(
    st.integers(0, 120).map("{{{}}}".format),
    st.sampled_from(["{", "}", "{}", "{00}", "{-1}", "{0", "0}", "{{0}}", "{ 0}", "{0.x}", "%s", "\\1", "\\g<1>"]),
    st.text(max_size=5),
)
some_text = st.lists(pieces, max_size=8).map("".join)
some_parameters = st.lists(some_text, max_size=texts.MAX_PARAMETERS)

FILLED: dict[str, tuple[str, list[str], str]] = {
    "in their places": ("{0} at {1}", ["Drill", "eight"], "Drill at eight"),
    "in any order": ("{1}, {0}", ["a", "b"], "b, a"),
    "as often as it stands there": ("{0}{0}{0}", ["ab"], "ababab"),
    "with two digits": ("{10}", [*"0123456789", "ten"], "ten"),
    "up to the hundredth": ("{99}", ["x"] * 99 + ["last"], "last"),
    "between braces": ("{{0}}", ["a"], "{a}"),
    "empty": ("<{0}>", [""], "<>"),
    "not into one that a parameter makes": ("{0}", ["{1}", "no"], "{1}"),
    "not into one that a parameter completes": ("{{0}}", ["1", "no"], "{1}"),
    "not into one that two parameters make": ("{0}{1}", ["{", "0}"], "{0}"),
    "not where there is none": ("{0} {1} {7}", ["a", "b"], "a b {7}"),
    "not where there are none at all": ("{0}", [], "{0}"),
    "not with leading zeros": ("{00} {01}", ["a", "b"], "{00} {01}"),
    "not beyond two digits": ("{100} {000}", ["a"] * 100, "{100} {000}"),
    "not with a sign, a space or a name": ("{-1} { 0} {0 } {+0} {a} {}", ["a"], "{-1} { 0} {0 } {+0} {a} {}"),
    "not by the rules of another language": (
        "{0.real} {0!r} {0:>9} $0 %s \\0",
        ["a"],
        "{0.real} {0!r} {0:>9} $0 %s \\0",
    ),
    "not with digits of another script": ("{\u0661} {\u00b2}", ["a", "b", "c"], "{\u0661} {\u00b2}"),
    "as it stands": ("{0}", ["\\1 \\g<0> & $1 %(x)s"], "\\1 \\g<0> & $1 %(x)s"),
}


@pytest.mark.parametrize(("text", "parameters", "filled"), list(FILLED.values()), ids=list(FILLED))
def test_a_parameter_is_filled_in(text: str, parameters: list[str], filled: str) -> None:
    assert texts.fill(text, parameters) == filled


@given(text=some_text, parameters=some_parameters)
def test_the_length_told_before_is_that_of_the_filled_text(text: str, parameters: list[str]) -> None:
    assert texts.filled_length(text, parameters) == len(texts.fill(text, parameters))


@given(text=some_text)
def test_a_text_without_parameters_stays_as_it_is(text: str) -> None:
    assert texts.fill(text, []) == text


@given(text=some_text, parameters=some_parameters)
def test_filling_puts_each_parameter_once_where_its_placeholder_stood(text: str, parameters: list[str]) -> None:
    # Read another way: what stands between placeholders, and the numbers in them, take turns.
    between, numbers = (
        re.split(r"\{(?:\d|[1-9]\d)\}", text, flags=re.ASCII),
        re.findall(r"\{(\d|[1-9]\d)\}", text, flags=re.ASCII),
    )
    expected = between[0]
    for number, rest in zip(numbers, between[1:], strict=True):
        expected += (parameters[int(number)] if int(number) < len(parameters) else f"{{{number}}}") + rest
    assert texts.fill(text, parameters) == expected


@given(parameters=st.lists(some_text, min_size=1, max_size=texts.MAX_PARAMETERS), data=st.data())
def test_what_a_parameter_holds_is_never_filled_again(parameters: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(parameters) - 1))
    assert texts.fill(f"{{{index}}}", parameters) == parameters[index]


# Languages

TRANSLATIONS = {"de": "Übung", "de-ch": "Üebig", "zh-hant-tw": "演習", "property1": "?"}
LANGUAGES = {
    "the language itself": ("de", "Übung"),
    "a region of a language": ("de-AT", "Übung"),
    "the region before the language": ("de-CH", "Üebig"),
    "in capitals": ("DE", "Übung"),
    "with an underscore": ("de_CH", "Üebig"),
    "a part of a region": ("de-CH-1901", "Üebig"),
    "several parts": ("zh_Hant_TW", "演習"),
    "no translation for it": ("fr", "Drill"),
    "no translation for less than the translation's region": ("zh-hant", "Drill"),
    "a language that only begins like another": ("deu", "Drill"),
}


@pytest.mark.parametrize(("language", "text"), list(LANGUAGES.values()), ids=list(LANGUAGES))
def test_the_nearest_translation_serves_else_the_text(language: str, text: str) -> None:
    assert texts.wording("Drill", TRANSLATIONS, [], language) == text


@given(st.text(st.sampled_from("abAB019-_"), min_size=1, max_size=20))
def test_a_language_has_one_spelling(language: str) -> None:
    tag = texts.language_tag(language)
    assert tag == texts.language_tag(tag)
    assert tag == texts.language_tag(language.swapcase())
    assert tag == texts.language_tag(language.replace("-", "_"))
    assert texts.language_tags(language)[0] == tag


def test_the_parameters_fill_the_translation_and_the_text_alike() -> None:
    translations = {"de": "{1}: Übung"}
    assert texts.wording("Drill at {0}", translations, ["eight", "Acht"], "de") == "Acht: Übung"
    assert texts.wording("Drill at {0}", translations, ["eight", "Acht"], "en") == "Drill at eight"


# Catalogs


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A folder in LOCALE_PATHS with two languages, and German as it is spoken in Austria."""
    compiled(tmp_path, "de", evacuate="Räumen Sie {0}", chair="Stuhl")
    compiled(tmp_path, "de_AT", chair="Sessel")
    compiled(tmp_path, "en", evacuate="Leave {0}")
    settings.LOCALE_PATHS = [str(tmp_path)]
    return tmp_path


@pytest.mark.parametrize(
    ("key", "language", "text"),
    [
        ("evacuate", "de", "Räumen Sie {0}"),
        ("evacuate", "de-AT", "Räumen Sie {0}"),
        ("evacuate", "de_at", "Räumen Sie {0}"),
        ("evacuate", "en", "Leave {0}"),
        ("evacuate", "en-GB", "Leave {0}"),
        ("evacuate", "fr", "evacuate"),
        ("chair", "de", "Stuhl"),
        ("chair", "de-AT", "Sessel"),
        ("chair", "DE_AT", "Sessel"),
        ("chair", "de-CH", "Stuhl"),
        ("chair", "en", "chair"),
        ("Evacuate", "de", "Evacuate"),
        ("evacuate ", "de", "evacuate "),
    ],
)
def test_a_text_may_be_a_key_of_a_catalog_in_locale_paths(folder: Path, key: str, language: str, text: str) -> None:
    assert texts.from_catalog(key, language) == text


def test_a_text_of_a_catalog_is_filled_too(folder: Path) -> None:
    assert texts.wording("evacuate", {}, ["Halle 3"], "de") == "Räumen Sie Halle 3"


def test_a_translation_comes_before_a_catalog(folder: Path) -> None:
    assert texts.wording("evacuate", {"de": "Raus"}, [], "de-AT") == "Raus"
    assert texts.wording("evacuate", {"fr": "Sortez"}, [], "de") == "Räumen Sie {0}"


def test_a_translation_is_no_key_of_a_catalog(folder: Path) -> None:
    assert texts.wording("Leave", {"de": "chair"}, [], "de") == "chair"


def test_a_catalog_of_locale_paths_comes_before_those_of_the_service(tmp_path: Path, settings: Any) -> None:
    assert texts.from_catalog(COPY, "de") == KOPIE
    settings.LOCALE_PATHS = [compiled(tmp_path, "de", **{COPY: "Kopie von %(name)s"})]
    assert texts.from_catalog(COPY, "de") == "Kopie von %(name)s"


def test_the_catalogs_of_the_service_hold_where_locale_paths_have_others(folder: Path) -> None:
    assert texts.from_catalog(COPY, "de-AT") == KOPIE
    assert texts.from_catalog(COPY, "en") == COPY


def test_of_several_folders_the_first_that_knows_a_key_says_it(tmp_path: Path, settings: Any) -> None:
    first = compiled(tmp_path / "first", "de", chair="Stuhl")
    second = compiled(tmp_path / "second", "de", chair="Hocker", table="Tisch")
    settings.LOCALE_PATHS = [str(first), str(second)]
    assert [texts.from_catalog(key, "de") for key in ("chair", "table")] == ["Stuhl", "Tisch"]


@pytest.mark.parametrize("catalog", OF_ALL_APPS, ids=lambda path: path.parts[-5])
def test_a_text_may_be_a_key_of_a_catalog_of_the_service(catalog: Path) -> None:
    with catalog.open("rb") as source:
        said = {message.id: message.string for message in read_po(source) if message.id}
    assert {key: texts.from_catalog(key, "de-AT") for key in said} == said


def test_a_text_that_the_admin_has_too_stays_as_it_was_written() -> None:
    with translation.override("de"):
        assert translation.gettext("Open alarms") == "Offene Alarme"
    assert texts.from_catalog("Open alarms", "de") == "Open alarms"


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path, settings: Any) -> None:
    settings.LOCALE_PATHS = [str(tmp_path / "nowhere")]
    assert texts.from_catalog("chair", "de") == "chair"


def test_a_folder_that_is_not_there_is_told_at_the_start(folder: Path, settings: Any) -> None:
    gone, file = folder / "nowhere", folder / "file"
    file.touch()
    settings.LOCALE_PATHS = [str(gone), str(folder), str(file)]
    said = [found.msg for found in run_checks() if found.is_serious() and "LOCALE_PATHS" in found.msg]
    assert [str(path) in line for path, line in zip((gone, file), said, strict=True)] == [True, True]
    settings.LOCALE_PATHS = [str(folder)]
    assert not [found for found in run_checks() if "LOCALE_PATHS" in found.msg]


@pytest.mark.parametrize("text", ["Saturday", "January", "Password", "yes,no,maybe", "Yes", "user", "Home", "Delete"])
def test_what_people_write_is_no_label_of_a_library(text: str) -> None:
    with translation.override("de"):
        assert translation.gettext(text) != text, "no library has such a label"
    assert texts.from_catalog(text, "de") == text


@pytest.mark.parametrize("text", ["\x04", "a\x04b", " ", "\n", "Project-Id-Version: x", "%", "{", "🚒" * 5000])
@pytest.mark.parametrize("language", ["de", "en", "xx", "zz-zz-zz", "C", "POSIX"])
def test_any_text_in_any_language_is_taken(folder: Path, text: str, language: str) -> None:
    assert texts.wording(text, {}, [], language) == text


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.parts[-3])
def test_the_compiled_catalog_is_what_the_catalog_says(catalog: Path) -> None:
    with catalog.open("rb") as source, catalog.with_suffix(".mo").open("rb") as compiled_catalog:
        said = {message.id: message.string for message in read_po(source) if message.id}
        compiled_says = {message.id: message.string for message in read_mo(compiled_catalog) if message.id}
    assert compiled_says == said
    assert said
    assert all(said.values())
    # What is named in the one is named in the other.
    names = re.compile(r"%\(\w+\)s")
    assert all(sorted(names.findall(key)) == sorted(names.findall(text)) for key, text in said.items())
