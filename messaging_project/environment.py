"""What settings are read from: environment variables, or lines of a file `.env` beside manage.py."""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(str(BASE_DIR / ".env"))


def integer(name: str, default: int) -> int:
    try:
        return int(env.str(name, default=str(default)))
    except ValueError:
        raise ImproperlyConfigured(f"{name}: must be a whole number") from None


def secret(name: str) -> str:
    """Return a variable as it stands: of a value that begins with `$`, `env` makes the name of another variable."""
    return os.environ.get(name, "")


def by_way(name: str, default: list[str]) -> list[tuple[str, int]]:
    """Return the ways of alarm of a list such as sms:60, each with its number; the system checks tell of -1, which
    stands for what is none."""
    entries = (entry.strip().partition(":") for entry in env.list(name, default=default))
    return [(way, int(number) if number.isdecimal() else -1) for way, _colon, number in entries]
