"""Every page of the admin, found by looking: none can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from django.contrib import admin
from django.db import models
from django.urls import URLPattern, get_resolver

from organizations.models import Device, Organization
from tests.messaging_project.desk_world import World

OF_A_MODEL = re.compile(r"admin/(?P<app>\w+)/(?P<model>\w+)/")
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# What is no page of the admin.
ELSEWHERE = ("api/", "^api/", "anymail/", "^health", "^a/")


@dataclass(frozen=True)
class Page:
    route: str
    name: str
    model: type[models.Model] | None

    @property
    def is_of_a_row(self) -> bool:
        return "(?P" not in self.route and "<" in self.route

    def path(self, world: World) -> str:
        """Return the address, with the organization's row wherever the number of one stands in it."""

        def number(found: re.Match[str]) -> str:
            if found[1] == "file_id":
                return str(world.file_id)
            whose = {"organization_id": Organization, "device_id": Device}.get(found[1], self.model)
            assert whose is not None, f"{self}: whose is {found[1]}?"
            return str(world.rows[whose].pk)

        return "/" + PARAMETER.sub(number, self.route)

    def __str__(self) -> str:
        return f"{self.route} ({self.name})"


def pages() -> list[Page]:
    """Return every page that the service has beside its API."""

    def walk(patterns: list[Any], before: str) -> Iterator[Page]:
        for each in patterns:
            route = before + str(each.pattern)
            if route.startswith(ELSEWHERE):
                continue
            if isinstance(each, URLPattern):
                yield Page(route, each.name or "", model_of(route))
            else:
                yield from walk(each.url_patterns, route)

    return list(walk(get_resolver().url_patterns, ""))


def model_of(route: str) -> type[models.Model] | None:
    found = OF_A_MODEL.match(route)
    known = {(model._meta.app_label, model._meta.model_name): model for model in admin.site._registry}
    return known.get((found["app"], found["model"])) if found else None


class Forms(HTMLParser):
    """The forms of a page that change something: where each goes, and what is in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, list[str]]]] = []
        self.buttons: dict[int, list[tuple[str, str]]] = {}
        self._fields: dict[str, list[str]] | None = None
        self._name = ""
        self._text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {} if has.get("method", "").lower() == "post" else None
            if self._fields is not None:
                self.found.append((has.get("action", ""), self._fields))
        elif self._fields is None:
            return
        elif tag == "button" or has.get("type") == "submit":
            if "name" in has:
                self.buttons.setdefault(len(self.found) - 1, []).append((has["name"], has.get("value", "")))
        elif tag in {"select", "textarea"}:
            self._name, self._text = has.get("name", ""), ""
        elif tag == "option" and "selected" in has:
            self._fields.setdefault(self._name, []).append(has.get("value", ""))
        elif tag == "input" and (has.get("type") not in {"checkbox", "radio"} or "checked" in has):
            self._fields.setdefault(has.get("name", ""), []).append(has.get("value", ""))

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None
        elif tag == "textarea" and self._fields is not None:
            self._fields.setdefault(self._name, []).append(self._text.removeprefix("\n"))

    def posts(self, path: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """Yield what each button of each form sends where."""
        for number, (action, fields) in enumerate(self.found):
            where = action if action.startswith("/") else path
            for name, value in self.buttons.get(number, [("", "")]):
                yield where, fields | ({name: [value]} if name else {})
