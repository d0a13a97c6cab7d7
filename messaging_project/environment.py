"""What settings are read from: environment variables, or lines of a file `.env` beside manage.py."""

import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from messaging_project.masking import Secret

BASE_DIR = Path(__file__).resolve().parent.parent


def without_the_line(record: logging.LogRecord) -> bool:
    """What is wrong with a line of `.env` is told without it: it may be half a secret."""
    record.msg, record.args = ".env: a line is not NAME=value", ()
    return True


logging.getLogger("environ.environ").addFilter(without_the_line)
env = environ.Env()
env.read_env(str(BASE_DIR / ".env"))


def integer(name: str, default: int) -> int:
    try:
        return int(env.str(name, default=str(default)))
    except ValueError:
        raise ImproperlyConfigured(f"{name}: must be a whole number") from None


def secret(name: str) -> Secret:
    """Return a variable as it stands: of a value that begins with `$`, `env` makes the name of another variable."""
    return Secret(os.environ.get(name, ""))


def parsed(name: str, url: str, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return what a URL says.

    Raises: ImproperlyConfigured, which repeats nothing of it.
    """
    try:
        # They have the password, too.
        with warnings.catch_warnings(action="ignore"):
            return parse(url)
    except (ValueError, ImproperlyConfigured):
        hint = "of a user or password, what is no plain letter or digit is percent-encoded: / is %2F"
        raise ImproperlyConfigured(f"{name}: is no URL that can be read; {hint}") from None


def by_way(name: str, default: list[str]) -> list[tuple[str, int]]:
    """Return the ways of alarm of a list such as sms:60, each with its number; the system checks tell of -1, which
    stands for what is none."""
    entries = (entry.strip().partition(":") for entry in env.list(name, default=default))
    return [(way, int(number) if number.isdecimal() else -1) for way, _colon, number in entries]
