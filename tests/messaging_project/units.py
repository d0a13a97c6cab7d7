"""The units of systemd (docs/systemd), with the places of this machine instead of those that they name."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

from tests.processes import ROOT

UNITS = ROOT / "docs" / "systemd"
COMMON = UNITS / "alarm-messaging-.service.d" / "common.conf"
PYTHON = "/opt/alarm-messaging/.venv/bin/python"
CODE = "/opt/alarm-messaging"


def in_place(text: str, places: Mapping[str, Path] | None = None) -> str:
    """Return text with the places of this machine, and others that are given by what they stand for."""
    text = text.replace(PYTHON, sys.executable).replace(CODE, str(ROOT))
    for named, place in (places or {}).items():
        text = text.replace(named, str(place))
    return text


def install(folder: Path) -> list[Path]:
    """Copy the units into a folder, with the places of this machine; return their files."""
    shutil.copytree(UNITS, folder, dirs_exist_ok=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    for file in files:
        file.write_text(in_place(file.read_text()))
    return sorted(path for path in folder.iterdir() if path.is_file())


def read(path: Path) -> ConfigParser:
    """Return a unit with what all services have in common; of a key that stands there twice, the last."""
    parser = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read([COMMON, path] if path.suffix == ".service" else [path])
    return parser
