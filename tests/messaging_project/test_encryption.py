"""What is kept encrypted (setting ENCRYPTION_KEYS): the first key writes, all of them read."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from messaging_project import encryption
from messaging_project.encryption import CannotDecrypt
from tests.processes import ROOT

SECRET = "json://gateway.example/sms?token=hunter2&to={address}"
READ = "import json; from django.conf import settings; print(json.dumps(settings.ENCRYPTION_KEYS))"
NEW, OLD, OTHER = "a new key", "an old key", "somebody else's key"

texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90)
rotations = st.lists(keys, min_size=1, max_size=4, unique=True)


def read_keys(**environment: str) -> list[str]:
    """Return the keys of a process with these variables."""
    variables = {name: value for name, value in os.environ.items() if name != "ENCRYPTION_KEYS"}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        env=variables | {"DJANGO_SETTINGS_MODULE": "messaging_project.settings"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def decrypted(encrypted: str, *with_keys: str) -> str:
    with override_settings(ENCRYPTION_KEYS=list(with_keys)):
        return encryption.decrypt(encrypted)


def encrypted(text: str, *with_keys: str) -> str:
    with override_settings(ENCRYPTION_KEYS=list(with_keys)):
        return encryption.encrypt(text)


# The keys


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ["the secret key"]),
        ("", ["the secret key"]),
        ("one", ["one"]),
        ("new,old", ["new", "old"]),
        ("new, old ,", ["new", "old"]),
        ("$HOME is \\n no variable", ["$HOME is \\n no variable"]),
    ],
)
def test_the_keys_are_those_of_the_setting_or_else_the_secret_key(value: str | None, expected: Sequence[str]) -> None:
    given_ = {} if value is None else {"ENCRYPTION_KEYS": value}
    assert read_keys(SECRET_KEY="the secret key", **given_) == expected


# Round trips


@given(text=texts, keys=rotations)
def test_any_text_comes_back_with_any_keys(text: str, keys: list[str]) -> None:
    with override_settings(ENCRYPTION_KEYS=keys):
        assert encryption.decrypt(encryption.encrypt(text)) == text


@given(text=texts, keys=rotations, data=st.data())
def test_whatever_one_of_the_keys_has_written_is_read(text: str, keys: list[str], data: st.DataObject) -> None:
    wrote = data.draw(st.sampled_from(keys))
    assert decrypted(encrypted(text, wrote), *keys) == text


@given(text=texts, keys=rotations)
def test_the_first_key_writes(text: str, keys: list[str]) -> None:
    assert decrypted(encrypted(text, *keys), keys[0]) == text


def test_nothing_of_the_text_nor_of_the_key_can_be_seen_and_equal_texts_differ() -> None:
    first, second = (encrypted(SECRET, NEW) for _ in range(2))
    assert first != second
    raw = base64.urlsafe_b64decode(first)
    for piece in ("hunter2", "gateway", "example", "json", "token", "address", NEW):
        assert piece not in first
        assert piece.encode() not in raw
    assert first.isascii()
    assert first.isprintable()


def test_a_key_is_no_other_key_that_looks_like_it() -> None:
    for other in (NEW.upper(), f"{NEW} ", NEW[:-1], f"encryption:{NEW}"):
        with pytest.raises(CannotDecrypt):
            decrypted(encrypted(SECRET, NEW), other)


# What cannot be read


@given(text=texts, keys=rotations, other=keys)
def test_without_its_key_nothing_is_read(text: str, keys: list[str], other: str) -> None:
    if other in keys:
        assert decrypted(encrypted(text, other), *keys) == text
        return
    with pytest.raises(CannotDecrypt) as raised:
        decrypted(encrypted(text, other), *keys)
    for key in [*keys, other]:
        assert len(key) < 6 or key not in str(raised.value)


@given(data=st.data())
def test_a_single_changed_bit_is_noticed(data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(encrypted(SECRET, NEW)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CannotDecrypt):
        decrypted(base64.urlsafe_b64encode(bytes(raw)).decode(), NEW)


def test_what_was_cut_off_is_noticed() -> None:
    whole = base64.urlsafe_b64decode(encrypted(SECRET, NEW))
    for length in range(1, len(whole)):
        for cut in (whole[:length], whole[length:]):
            with pytest.raises(CannotDecrypt):
                decrypted(base64.urlsafe_b64encode(cut).decode(), NEW)


@given(text=texts)
@example("ü")
@example("")
@example("AAAA")
@example("=" * 8)
@example(SECRET)
def test_what_never_was_encrypted_is_told_apart(text: str) -> None:
    for function in (encryption.decrypt, encryption.rotate):
        with override_settings(ENCRYPTION_KEYS=[NEW, OLD]), pytest.raises(CannotDecrypt) as raised:
            function(text)
        assert "hunter2" not in str(raised.value)


# Rotation


@given(text=texts)
def test_rotated_the_new_key_alone_reads_it_and_the_old_one_no_longer(text: str) -> None:
    before = encrypted(text, OLD)
    with override_settings(ENCRYPTION_KEYS=[NEW, OLD]):
        after = encryption.rotate(before)
    assert decrypted(after, NEW) == text
    with pytest.raises(CannotDecrypt):
        decrypted(after, OLD)


def test_what_no_key_reads_is_not_rotated(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    with pytest.raises(CannotDecrypt):
        encryption.rotate(encrypted(SECRET, OTHER))
