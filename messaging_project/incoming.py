"""When a request is there in full, however slowly and in whatever pieces its bytes come. Pure: nothing waits here."""

from __future__ import annotations

import re
from collections.abc import Generator

MIB = 1024 * 1024
# The longest body: a file of members (10 MiB), and the form around it.
LONGEST_BODY = 11 * MIB
# More than gunicorn takes by default of a request line and of all headers together: it refuses what is longer.
LONGEST_LINE = 4096
LONGEST_HEAD = MIB

# How long a body is: of these headers there may be one.
FRAMING = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,19})[ \t]*(?=\r\n)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)", re.IGNORECASE)
EXPECTING = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)
# No line of a head or before a chunk ends so.
BARE = re.compile(rb"(?<!\r)\n")
SIZE = re.compile(rb"([0-9a-f]{1,15})[ \t]*(?:;|\Z)", re.IGNORECASE)

Waiting = Generator[None, None, None]


class Incoming:
    """Collects the bytes of one request, and maybe of those behind it.

    What cannot become valid counts as being there in full, as there is nothing to wait for: whoever parses it says
    what is wrong with it. So does what is too large: `is_cut` then, and only the head is there.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_cut = False
        self.is_expected = False
        """Whether the client waits to be told that it may send the body (100 Continue)."""
        self._wait = self._whole()

    def feed(self, data: bytes) -> bool:
        """Take more bytes; return whether the request is there in full."""
        self.data += data
        try:
            next(self._wait)
        except StopIteration:
            return True
        return False

    def _whole(self) -> Waiting:
        if (yield from self._find(b"\r\n", 0, LONGEST_LINE)) is None:
            return
        end = yield from self._find(b"\r\n\r\n", 0, LONGEST_HEAD)
        if end is None:
            return
        head = EXPECTING.sub(b"", self.data[: end + 4])
        # Who waits for it is told by the one that collects the body.
        self.is_expected = len(head) < end + 4 and b" HTTP/1.1\r\n" in head
        self.data[: end + 4] = head
        if len(FRAMING.findall(head)) > 1:
            return
        if CHUNKED.search(head):
            yield from self._chunks(len(head))
        elif length := LENGTH.search(head):
            yield from self._until(len(head) + int(length[1]), start=len(head))
        if self.is_cut:
            self.data[:] = CHUNKED.sub(b"\r\nContent-Length: %d" % (LONGEST_BODY + 1), head)

    def _chunks(self, start: int) -> Waiting:
        at = start
        while not self.is_cut:
            line = yield from self._find(b"\r\n", at, LONGEST_LINE)
            size = SIZE.match(self.data[at:line]) if line else None
            if line is None or size is None:
                return
            if int(size[1], 16) == 0:
                # The last one, and maybe trailers.
                yield from self._find(b"\r\n\r\n", line, LONGEST_HEAD)
                return
            at = line + 2 + int(size[1], 16) + 2
            yield from self._until(at, start=start)

    def _until(self, end: int, *, start: int) -> Waiting:
        """Wait for the bytes before `end`, unless that makes a body too large."""
        if end - start > LONGEST_BODY:
            self.is_cut = True
            return
        while len(self.data) < end:
            yield

    def _find(self, mark: bytes, start: int, longest: int) -> Generator[None, None, int | None]:
        """Wait for a mark and return where it is; None: it is not within the bytes that there may be before it."""
        at = start
        while (found := self.data.find(mark, at)) < 0:
            if len(self.data) - start > longest or BARE.search(self.data, at):
                return None
            # No byte is looked at twice, but for the beginning of a mark.
            at = max(start, len(self.data) - len(mark) + 1)
            yield
        return found
