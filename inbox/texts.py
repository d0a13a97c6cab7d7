"""What a recipient reads (contract 6): the text in their language, with its parameters filled in. No markup means
anything: the text is shown as it stands."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.utils.translation import to_locale

MAX_LENGTH = 10_000
MAX_PARAMETERS = 100
PLACEHOLDER = re.compile(r"\{(0|[1-9][0-9]?)\}")


def language_tag(language: str) -> str:
    """Return the one spelling of a language code: `de_AT` and `DE-at` are `de-at`."""
    return language.lower().replace("_", "-")


def language_tags(language: str) -> list[str]:
    """Return the languages that serve somebody who has `language`, the best first: de-AT, de."""
    parts = language_tag(language).split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def wording(text: str, translations: Mapping[str, str], parameters: Sequence[str], language: str) -> str:
    """Return the translation for `language` (keys: see `language_tag`), else the text, which may be a key of the
    catalogs, with its parameters filled in."""
    found = (translations[tag] for tag in language_tags(language) if tag in translations)
    return fill(next(found, None) or from_catalog(text, language), parameters)


def fill(text: str, parameters: Sequence[str]) -> str:
    """Put the parameters into `{0}`, `{1}`...; a placeholder without a parameter stays, and none in a parameter is
    one."""
    if not parameters:
        return text
    return PLACEHOLDER.sub(lambda found: _parameter(found, parameters), text)


def filled_length(text: str, parameters: Sequence[str]) -> int:
    """Return how long `fill` would make a text, without making it."""
    grown = (len(_parameter(found, parameters)) - len(found[0]) for found in PLACEHOLDER.finditer(text))
    return len(text) + sum(grown)


def _parameter(found: re.Match[str], parameters: Sequence[str]) -> str:
    index = int(found[1])
    return parameters[index] if index < len(parameters) else found[0]


def from_catalog(text: str, language: str) -> str:
    """Return what the catalogs of the service and of LOCALE_PATHS have for a key, else the text itself.

    Not those of the libraries and of the admin: what people write is not to be taken for a label of theirs.
    """
    return _catalog(language, tuple(map(str, settings.LOCALE_PATHS))).gettext(text)


# Whose catalog is that of the admin of all apps.
PROJECT = "messaging_project"


@lru_cache(maxsize=128)
def _catalog(language: str, folders: Iterable[str]) -> gettext.NullTranslations:
    own = [Path(config.path) / "locale" for config in apps.get_app_configs() if _is_own(config.path)]
    locales = [to_locale(tag) for tag in language_tags(language)]
    catalog = gettext.NullTranslations()
    for folder in (*map(Path, folders), *own):
        catalog.add_fallback(gettext.translation("django", folder, locales, fallback=True))
    return catalog


def _is_own(path: str) -> bool:
    folder = Path(path)
    return folder.parent == Path(settings.BASE_DIR) and folder.name != PROJECT
