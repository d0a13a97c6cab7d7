"""X-Twilio-Signature, by the examples that Twilio has published."""

from __future__ import annotations

import pytest

from alarms.inbound.twilio_signature import is_signed, signature

TOKEN, URL = "12345", "https://mycompany.com/myapp.php?foo=1&bar=2"


def example(caller: str) -> dict[str, list[str]]:
    return {
        "CallSid": ["CA1234567890ABCDE"],
        "Caller": [caller],
        "Digits": ["1234"],
        "From": [caller],
        "To": ["+18005551212"],
    }


@pytest.mark.parametrize(
    ("caller", "published"),
    [
        ("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
        ("+14158675310", "GvWf1cFY/Q7PnoempGyD5oXAezc="),
        ("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ],
)
def test_the_published_examples_are_verified(caller: str, published: str) -> None:
    assert signature(TOKEN, URL, example(caller)) == published
    assert is_signed(published, token=TOKEN, url=URL, parameters=example(caller))


def test_of_a_name_that_is_repeated_each_value_counts_once_in_order() -> None:
    form = {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]}
    assert signature(TOKEN, URL, form) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_an_empty_value_counts_by_its_name() -> None:
    assert signature(TOKEN, URL, {"Body": [""]}) == signature(TOKEN, f"{URL}Body", {})
    assert signature(TOKEN, URL, {"Body": [""]}) != signature(TOKEN, URL, {})


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("given", ""),
        ("given", "RSOYDt4T1cUTdK1PDd93/VVr8B8"),
        ("given", "rsoydt4t1cutdk1pdd93/vvr8b8="),
        ("given", "ÄÖÜ\udcff"),
        ("token", ""),
        ("token", "12346"),
        ("url", "https://mycompany.com/myapp.php?foo=1"),
        ("url", "https://mycompany.com/myapp.php?bar=2&foo=1"),
        ("url", "http://mycompany.com/myapp.php?foo=1&bar=2"),
        ("url", "https://mycompany.com.evil.example/myapp.php?foo=1&bar=2"),
        ("parameters", {}),
        ("parameters", example("+14158675309") | {"Digits": ["1235"]}),
        ("parameters", example("+14158675309") | {"More": [""]}),
    ],
)
def test_anything_else_is_not_signed(change: str, value: object) -> None:
    right = {
        "given": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        "token": TOKEN,
        "url": URL,
        "parameters": example("+14158675309"),
    }
    assert is_signed(**right)  # type: ignore[arg-type]
    assert not is_signed(**right | {change: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signed", "asked"),
    [
        ("https://a.example/x", "https://a.example:8443/x"),
        ("https://a.example:8443/x", "https://a.example:8443/x"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("http://a.example:80/x", "http://a.example/x"),
    ],
)
def test_twilio_may_leave_out_the_port_or_name_it(signed: str, asked: str) -> None:
    given = signature(TOKEN, signed, {"Body": ["ja"]})
    assert is_signed(given, token=TOKEN, url=asked, parameters={"Body": ["ja"]})
    assert not is_signed(given, token=TOKEN, url=f"{asked}y", parameters={"Body": ["ja"]})
