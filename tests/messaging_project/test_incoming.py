"""When a request is there in full: as gunicorn's parser sees it, however its bytes come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser
from hypothesis import given
from hypothesis import strategies as st

from messaging_project.incoming import LONGEST_BODY, LONGEST_HEAD, LONGEST_LINE, Incoming
from tests.examples import examples

CONFIG = Config()
FIELDS = st.sampled_from([b"X-Long: " + b"a" * 500, b"X-Empty:", b"x-content-length: 7", b"Accept: \t*/* "])
CASES = st.sampled_from([bytes.lower, bytes.upper, bytes.title])
# What looks like the end of something, and is none.
CONTENT = st.binary(max_size=40) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"\n", b"GET / HTTP/1.1\r\n\r\n"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    fields = [b"Host: a", *draw(st.lists(FIELDS, max_size=3))]
    content, cased = draw(CONTENT), draw(CASES)
    match draw(st.sampled_from(["none", "length", "chunked"])):
        case "length":
            fields.insert(0, cased(b"content-length") + b":%d" % len(content))
        case "chunked":
            fields.append(cased(b"transfer-encoding") + b": " + cased(b"chunked"))
            content = chunked(draw, content)
        case _:
            content = b""
    return b"\r\n".join([b"POST /a?b HTTP/1.1", *fields, b"", b""]) + content


def chunked(draw: st.DrawFn, content: bytes) -> bytes:
    cuts = sorted({0, len(content), *draw(st.lists(st.integers(0, len(content)), max_size=3))})
    extension = draw(st.sampled_from([b"", b";a", b' ; a="b"']))
    chunks = [b"%x%s\r\n%s\r\n" % (b - a, extension, content[a:b]) for a, b in pairwise(cuts)]
    trailers = draw(st.sampled_from([b"", b"X-Trailer: a\r\n"]))
    return b"".join(chunks) + b"0" * draw(st.integers(1, 3)) + b"\r\n" + trailers + b"\r\n"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(ends)]


@examples(60)
@given(requests(), st.lists(st.integers(0, 2000), max_size=8), st.sampled_from([b"", b"GET / HT", b"\r\n"]))
def test_a_request_is_there_with_its_last_byte_and_the_parser_sees_it_so(
    request: bytes, cuts: list[int], after: bytes
) -> None:
    incoming = Incoming()
    *first, last = pieces(request, cuts)
    assert not any(incoming.feed(piece) for piece in first)
    assert incoming.feed(last + after)
    assert not incoming.is_cut
    assert bytes(incoming.data) == request + after
    parser = get_parser(CONFIG, iter([request]), ("127.0.0.1", 1))
    next(parser).body.read()
    assert parser.unreader.read() == b""


@examples(60)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\r\n", b"GET / HTTP/1.1\r\n", b"\r\n\r\n"]), max_size=12))
def test_anything_may_come(bits: list[bytes]) -> None:
    incoming = Incoming()
    for bit in bits:
        if incoming.feed(bit):
            break
    assert bytes(incoming.data) in b"".join(bits)


# There is nothing to wait for.
HEAD = b"POST / HTTP/1.1\r\n"
HOPELESS = {
    "a line without an end": b"G" * (LONGEST_LINE + 1),
    "headers without an end": HEAD + b"a: b\r\n" * (LONGEST_HEAD // 6 + 1),
    "an LF alone": b"GET / HTTP/1.1\n",
    "an LF alone in a header": HEAD + b"Host: a\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "two ways to say it": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a length that is none": HEAD + b"Content-Length: 5x\r\n\r\n",
    "an encoding that is none": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "a chunk without a size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
    "a chunk of a size that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk whose size has no end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * (LONGEST_LINE + 1),
}


@pytest.mark.parametrize("data", HOPELESS.values(), ids=list(HOPELESS))
def test_what_cannot_become_valid_is_not_waited_for(data: bytes) -> None:
    assert Incoming().feed(data)
    incoming = Incoming()
    # Not before it is clear either.
    assert not any(incoming.feed(data[at : at + 1]) for at in range(min(len(data) - 1, 5000)))


TOO_LARGE = {
    "by its length": b"Content-Length: %d\r\n\r\n" % (LONGEST_BODY + 1),
    "by the longest length": b"Content-Length: " + b"9" * 19 + b"\r\n\r\n",
    "by a chunk": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (LONGEST_BODY + 1),
    "by its chunks": b"Transfer-Encoding: Chunked\r\n\r\n"
    + b"100000\r\n%s\r\n" % (b"x" * 0x100000) * (LONGEST_BODY // 0x100000),
}


@pytest.mark.parametrize("rest", TOO_LARGE.values(), ids=list(TOO_LARGE))
def test_what_is_too_large_is_told_so_and_not_kept(rest: bytes) -> None:
    incoming = Incoming()
    assert incoming.feed(HEAD + rest)
    assert incoming.is_cut
    assert len(incoming.data) < 100
    headers = dict(next(get_parser(CONFIG, iter([bytes(incoming.data)]), ("127.0.0.1", 1))).headers)
    assert int(headers["CONTENT-LENGTH"]) > LONGEST_BODY


@pytest.mark.parametrize(
    ("version", "field", "is_expected"),
    [
        (b"1.1", b"Expect: 100-continue", True),
        (b"1.1", b"eXPECT:100-CONTINUE\t", True),
        (b"1.0", b"Expect: 100-continue", False),
        (b"1.1", b"Expect: 200-ok", False),
        (b"1.1", b"X-Expect: 100-continue", False),
    ],
)
def test_who_waits_with_the_body_is_known(version: bytes, field: bytes, is_expected: bool) -> None:
    incoming = Incoming()
    assert not incoming.feed(b"POST / HTTP/" + version + b"\r\nContent-Length: 2\r\n" + field + b"\r\n\r\n")
    assert incoming.is_expected is is_expected
    assert incoming.feed(b"{}")
