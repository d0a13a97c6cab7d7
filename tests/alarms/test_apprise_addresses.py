"""Whatever stands in an address, it reaches nobody but the device that it is of (contract 7)."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alarms import gateways
from alarms.delivery import Delivery
from alarms.gateways.apprise import AppriseGateway
from alarms.gateways.base import GatewayError
from tests.alarms.any_sink import AnySink, Request, any_sink
from tests.alarms.test_texts import DELIVERY

ODD = ["+", "@", "/", "?", "#", "%", "&", "=", ";", ",", ":", ".", "\\", '"', "'", " ", "\n", "\0", "ä", "🔥", "{", "}"]
WORDS = ["erna", "A", "1", "%2F", "%00", "../", "{address}", "{answerURL}", "?a=b", "&:to=x", "//", "\u202e", "ß", "İ"]
addresses = st.lists(st.sampled_from(ODD + WORDS) | st.characters(codec="utf-8"), max_size=6).map("".join)

# Where in a request the address arrives.
PLACES = {
    "json://HOST/pager/{address}": lambda request: unquote(request.target.removeprefix("/pager/")),
    "json://HOST/?:to={address}&:note=fixed": lambda request: request.json["to"],
    "json://HOST/?-to={address}&-note=fixed": lambda request: query_of(request)["to"],
    "json://HOST/?+X-To={address}": lambda request: request.headers["x-to"],
    "form://HOST/pager/{address}": lambda request: unquote(request.target.removeprefix("/pager/")),
    "form://HOST/?:to={address}&:note=fixed": lambda request: parse_qs(request.body.decode())["to"][0],
    "xml://HOST/pager/{address}": lambda request: unquote(request.target.removeprefix("/pager/")),
    "ntfy://HOST/{address}?tags=fire": lambda request: request.json["topic"],
    "gotify://HOST/{address}": lambda request: request.headers["x-gotify-key"],
    "matrix://token@HOST/{address}?e2ee=no": lambda request: room_of(request),
    "signal://HOST/+493012345678/{address}": lambda request: request.json["recipients"][0],
    "nctalk://alarm:pw@HOST/{address}": lambda request: unquote(request.target.rsplit("/", 1)[1]),
}


def query_of(request: Request) -> dict[str, str]:
    found = parse_qs(request.target.partition("?")[2], keep_blank_values=True, separator="&")
    assert found.pop("note") == ["fixed"]
    (name, values), *rest = found.items()
    assert not rest
    return {name: values[0]}


def room_of(request: Request) -> str:
    """Return the room that is joined or written to, without what a bare name is made of: `#name:server`. Empty where
    the plugin only asks who it is."""
    found = re.search(r"/(?:join|rooms)/([^/]+)", request.target)
    return unquote(found[1]).removesuffix(":127.0.0.1") if found else ""


@pytest.fixture(scope="module")
def sink() -> Iterator[AnySink]:
    with any_sink() as running:
        yield running


@pytest.fixture(scope="module")
def made(sink: AnySink) -> dict[str, AppriseGateway]:
    found = {url: gateways.build(url.replace("HOST", sink.host)) for url in PLACES}
    return {url: gateway for url, gateway in found.items() if isinstance(gateway, AppriseGateway)}


def to(address: str) -> Delivery:
    return dataclasses.replace(DELIVERY, way="app", address=address)


def failure(gateway: AppriseGateway, address: str) -> GatewayError | None:
    try:
        gateway.send(to(address))
    except GatewayError as error:
        return error
    return None


@pytest.mark.parametrize("url", PLACES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(address=addresses)
@example("erna einsatz")
@example("+49 151 2345678")
@example("a,b")
@example("a/../../b?c=d#e")
@example("{answerURL}")
@example("100%25")
def test_exactly_the_address_is_reached_or_nobody(
    sink: AnySink, made: dict[str, AppriseGateway], url: str, address: str
) -> None:
    sink.requests.clear()
    error = failure(made[url], address)
    if error is not None and error.permanent:
        assert error.reason.endswith("the address is not valid")
        assert sink.requests == []
    else:
        # What cannot stand in a header at all never leaves.
        assert error is None or error.reason.endswith(("not taken", "no connection or no answer"))
    for reached in filter(None, map(PLACES[url], sink.requests)):
        assert reached in (address, f"#{address}") or digits(reached) == digits(address) != ""


def digits(text: str) -> str:
    return "".join(filter(str.isdigit, text)) if set(text) <= set("+0123456789 ()./-") else ""


def test_most_addresses_do_arrive(sink: AnySink, made: dict[str, AppriseGateway]) -> None:
    sink.requests.clear()
    fine = ["erna", "+49151 234", "erna@example.org", "a,b;c", "a/b", "?", "x#y", "Übung", "🔥", "{answerURL}", "a&b=c"]
    for address in fine:
        made["json://HOST/?:to={address}&:note=fixed"].send(to(address))
    assert [request.json["to"] for request in sink.requests] == fine
    assert {request.json["note"] for request in sink.requests} == {"fixed"}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        # Apprise would send these to the sender's own number,
        (f"twilio://AC{'a' * 32}:{'b' * 32}@+493012345678/{{address}}", "erna"),
        (f"sinch://{'a' * 32}:{'b' * 32}@+493012345678/{{address}}", "erna"),
        # to the part that looks like a number,
        ("seven://0123456789abcdef/{address}", "Erna +491512345678"),
        ("signal://127.0.0.1/+493012345678/{address}", "aaaaaaaaaaaaaaaa1111111111111111"),
        ("whatsapp://0123456789abcdef@123456789012345/{address}", "a1111111111111"),
        ("aprs://DL1ABC:12345@{address}", "491512345678"),
        # to nobody, and some would call that sent,
        ("smpp://alarm:pw@127.0.0.1/493012345678/{address}", "erna"),
        ("signal://127.0.0.1/+493012345678/{address}", "erna"),
        ("threema://*ALARM01@0123456789abcdef/{address}", "me"),
        # to a user instead of a group,
        ("signal://127.0.0.1/+493012345678/{address}", "-1001234567890"),
        # to two,
        ("seven://0123456789abcdef/{address}", "+491512345678,+491519876543"),
        ("slack://xoxb-1234-1234-0123456789/{address}", "#erna,#otto"),
        ("mailto://alarm:pw@example.org/{address}", "erna@example.org otto@example.org"),
        # to every room that the sender is in,
        ("matrix://token@127.0.0.1/{address}", ","),
        # to the owner of the bot,
        ("tgram://123456789:AAEhBOweik9ad9r_QXMENQjcrGbqCr4K-bc/{address}", "Erna Einsatz"),
        # to all devices of the account,
        ("pover://u1b2c3d4e5f6g7h8i9jak1l2m3n4o5@a1b2c3d4e5f6g7h8i9jak1l2m3n4o5/{address}", ","),
        # or to another path of the server.
        ("nctalk://alarm:pw@127.0.0.1/{address}", "../../../settings"),
        ("nctalk://alarm:pw@127.0.0.1/{address}", "room?force=true"),
    ],
)
def test_nobody_else_is_reached_with_an_address_that_the_service_does_not_know(url: str, address: str) -> None:
    gateway = gateways.build(url)
    assert isinstance(gateway, AppriseGateway)
    with pytest.raises(GatewayError) as raised:
        gateway.send(to(address))
    assert raised.value.permanent
    assert raised.value.reason == f"{gateway.label}: the address is not valid"


@pytest.mark.parametrize("address", ["+491512345678", "+49 151 2345678", "+49-151-2345678", "491512345678"])
def test_a_number_may_be_written_as_people_do(sink: AnySink, made: dict[str, AppriseGateway], address: str) -> None:
    sink.requests.clear()
    made["signal://HOST/+493012345678/{address}"].send(to(address))
    assert sink.requests[0].json["recipients"] == ["+491512345678"]


@pytest.mark.parametrize("room", ["!erna:example.org", "#erna:example.org"])
def test_rooms_are_reached_by_id_and_by_alias(sink: AnySink, made: dict[str, AppriseGateway], room: str) -> None:
    sink.requests.clear()
    with contextlib.suppress(GatewayError):
        made["matrix://token@HOST/{address}?e2ee=no"].send(to(room))
    assert {reached for reached in map(room_of, sink.requests) if reached} == {room}
