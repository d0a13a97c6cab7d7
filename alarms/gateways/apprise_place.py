"""Where in a plugin of Apprise the address of a device belongs.

Plugins read addresses in many ways: they take one with a comma for two, or drop one that they do not like and send to
the sender, to everybody or to the part of it that looks like a number. So before anything is sent it is seen that the
address stands in its place and has changed nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import apprise

Make = Callable[[str], apprise.NotifyBase | None]
"""Makes the plugin that sends to an address; None where Apprise makes nothing of it."""
Parts = Counter[tuple[str, str]]
"""Attributes of a plugin with the values in them."""

# Two addresses of each kind, as services want them.
SAMPLES = (
    ("+491512345678", "+491519876543"),
    ("+12125551234", "+12125559876"),
    ("+33612345678", "+33687654321"),
    ("+61412345678", "+61487654321"),
    ("ernaeinsatz", "ottowache"),
    ("123456789", "987654321"),
    ("erna@example.org", "otto@example.net"),
    ("#erna:example.org", "#otto:example.net"),
    ("@erna", "@otto"),
    ("DL1ABC", "DK2XYZ"),
    ("u1b2c3d4e5f6g7h8i9jak1l2m3n4o5", "u9z8y7x6w5v4u3t2s1rap9o8n7m6l5"),
    ("a1" * 16, "b2" * 16),
    ("a1b2" * 10, "c3d4" * 10),
    ("a1" * 32, "b2" * 32),
    ("a1b2c3d4-1111-4222-8333-a1b2c3d4e5f6", "b1b2c3d4-1111-4222-8333-b1b2c3d4e5f7"),
    ("group.YWJjZGVmZ2hpamts", "group.enl4d3Z1dHNycXBv"),
    ("arn:aws:sns:eu-central-1:123456789012:erna", "arn:aws:sns:eu-central-1:123456789012:otto"),
)
# Parts of the URL as they stand in it: what a plugin has made of them is beside.
RAW = frozenset({"fullpath", "host", "user", "password", "port"})
# No device says which server is asked.
SERVER = frozenset({"host", "port"})
# Where plugins keep what they will not send to.
DROPPED = frozenset({"invalid_targets", "_invalid_targets", "invalid_rooms"})
# What is no address anywhere: control characters, spaces around it, the two names of a folder.
NONE = re.compile(r"[\x00-\x1f\x7f]|^\s|\s$|^\.{1,2}$")
# Some plugins put an address into the URL that they ask as it stands.
STRUCTURE = re.compile(r"[/\\?%]|(?<!^)#")
# These encode it, or send it in what is posted.
ENCODING = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
NUMBER = re.compile(r"[+(]?[0-9][0-9 ()./-]*")
SIGILS = "@#+!"
# Stands for the address in a value.
ADDRESS = "\0"

Spot = tuple[str, str]
"""An attribute, and a value of it with ADDRESS in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the address stands in the plugin of one URL."""

    fixed: Parts
    """What is there whatever the address."""
    restless: frozenset[str]
    """Attributes that differ from one plugin to the next by themselves."""
    raw: bool
    """The plugin uses the parts of the URL as they are."""
    spots: frozenset[Spot]

    def holds(self, plugin: apprise.NotifyBase, address: str) -> bool:
        """Whether the plugin sends to the address, and to nobody else."""
        if not plain(address) or NONE.search(address):
            return False
        if STRUCTURE.search(address) and plugin.schema not in ENCODING:
            return False
        parts = parts_of(plugin)
        if self.fixed - parts or dropped(parts):
            return False
        return any(
            self._says(attribute, value, address)
            for attribute, value in parts - self.fixed
            if (attribute in RAW) is self.raw and attribute not in self.restless
        )

    def _says(self, attribute: str, value: str, address: str) -> bool:
        if same_number(value, address) or same(value, address):
            return True
        return any(same(value, spot.replace(ADDRESS, address)) for name, spot in self.spots if name == attribute)


def find(make: Make) -> Place | None:
    """Return where the address belongs; None where it would reach nobody, whatever it is."""
    trials = [trial for pair in SAMPLES if (trial := Trial.of(make, *pair))]
    own = [trial for trial in trials if trial.own]
    kept = own or [trial for trial in trials if trial.raw]
    if not kept:
        return None
    fixed = kept[0].fixed
    for trial in kept:
        fixed &= trial.fixed
    return Place(
        fixed=fixed,
        restless=frozenset().union(*(trial.restless for trial in kept)),
        raw=not own,
        spots=frozenset().union(*(trial.own or trial.raw for trial in kept)),
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of two addresses of a kind."""

    fixed: Parts
    restless: frozenset[str]
    own: frozenset[Spot]
    """Where they stand in what the plugin has made of the URL."""
    raw: frozenset[Spot]
    """Where they stand in parts of the URL that the plugin uses as they are."""

    @classmethod
    def of(cls, make: Make, one: str, other: str) -> Trial | None:
        first, again, second = make(one), make(one), make(other)
        if first is None or again is None or second is None:
            return None
        parts, others = parts_of(first), parts_of(second)
        if dropped(parts) or dropped(others):
            return None
        restless = frozenset(attribute for attribute, _value in parts - parts_of(again))
        fixed = Counter({part: count for part, count in (parts & others).items() if part[0] not in restless})
        spots = {
            (attribute, spot)
            for attribute, value in parts - others
            if attribute not in restless and (spot := spot_in(value, one))
        }
        own = frozenset(spot for spot in spots if spot[0] not in RAW)
        used = first.url(privacy=False) != second.url(privacy=False)
        raw = frozenset(spot for spot in spots - own if used and spot[0] not in SERVER)
        return cls(fixed, restless, own, raw)


def parts_of(plugin: apprise.NotifyBase) -> Parts:
    found: Parts = Counter()
    for attribute, value in vars(plugin).items():
        if attribute != "asset":
            found.update((attribute, text) for text in texts_in(value))
    return found


def texts_in(value: object) -> Iterator[str]:
    """Yield what stands in a value, however deep."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from texts_in(key)
                yield from texts_in(inner)
        case list() | tuple() | set() | frozenset():
            for inner in value:
                yield from texts_in(inner)
        case None | str() | int() | float() | bytes():
            yield str(value)
        case _other:
            yield type(value).__name__


def dropped(parts: Parts) -> bool:
    return any(attribute in DROPPED for attribute, _value in parts)


def spot_in(value: str, address: str) -> str:
    """Return a value with ADDRESS where an address stands in it; empty where it does not."""
    if same_number(value, address):
        return ADDRESS
    spot = unquote(value).lower().replace(address.lower(), ADDRESS)
    return spot if ADDRESS in spot else ""


def same(value: str, address: str) -> bool:
    return plain(address) in (plain(value), plain(unquote(value)))


def plain(address: str) -> str:
    """Return an address without what some services put before it."""
    return address.lower().lstrip(SIGILS)


def same_number(value: str, address: str) -> bool:
    """Whether both are a phone number, and the same however it is written."""
    return all(map(NUMBER.fullmatch, (value, address))) and digits(value) == digits(address)


def digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))
