from __future__ import annotations

import hashlib
import re

from organizations import tokens


def test_a_token_is_its_kind_and_256_random_bits_in_hex() -> None:
    assert re.fullmatch(r"ga_org_[0-9a-f]{64}", tokens.generate("ga_org"))


def test_no_two_tokens_are_the_same() -> None:
    assert len({tokens.generate("ga_pat") for _ in range(100)}) == 100


def test_the_prefix_is_the_kind_and_twelve_hex_digits() -> None:
    token = "ga_pat_" + "0123456789abcdef" * 4
    assert tokens.prefix(token) == "ga_pat_0123456789ab"


def test_the_prefix_of_a_text_that_is_no_token_is_no_error() -> None:
    assert [tokens.prefix(text) for text in ("", "_", "abc", "ga_org_")] == ["_", "_", "_abc", "ga_org_"]


def test_the_digest_is_the_sha_256_in_hex_and_fits_its_column() -> None:
    assert tokens.digest("ga_org_00") == hashlib.sha256(b"ga_org_00").hexdigest()
    assert len(tokens.digest("ga_org_00")) == 64


def test_a_text_that_is_not_unicode_has_a_digest_too() -> None:
    assert len(tokens.digest("ga_org_\udcff")) == 64


def test_a_token_matches_its_own_digest_only() -> None:
    token, other = tokens.generate("ga_org"), tokens.generate("ga_org")
    assert tokens.matches(token, tokens.digest(token))
    assert not tokens.matches(other, tokens.digest(token))
    assert not tokens.matches(token, tokens.digest(token).upper())
    assert not tokens.matches(token[:-1], tokens.digest(token))
    assert not tokens.matches("", tokens.digest(token))
