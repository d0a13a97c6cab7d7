"""SMPP by Apprise, at an SMS centre on loopback: what it does not take has not been sent."""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from alarms import gateways, texts
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, ThreadGateway
from tests.alarms.test_texts import DELIVERY

BIND, SUBMIT, UNBIND, ENQUIRE, ANSWER = 0x02, 0x04, 0x06, 0x15, 0x80000000
OK, BIND_FAILED, UNKNOWN_NUMBER, TOO_MANY = 0x00, 0x0D, 0x0B, 0x58
SMS = dataclasses.replace(DELIVERY, address="+491512345678")


class SmsCentre:
    """Answers one client after the other; asks it once whether it is still there."""

    def __init__(self) -> None:
        self.bind_status = OK
        self.submit_statuses = [OK]
        self.said: list[int] = []
        self.submitted: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            with client:
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        while len(head := client.recv(16, socket.MSG_WAITALL)) == 16:
            length, command, _status, number = struct.unpack(">LLLL", head)
            body = client.recv(length - 16, socket.MSG_WAITALL) if length > 16 else b""
            self.said.append(command)
            if command == BIND:
                self._answer(client, command, self.bind_status, number, b"centre\0")
            elif command == SUBMIT:
                client.sendall(struct.pack(">LLLL", 16, ENQUIRE, OK, 900))
                self.submitted.append(body)
                status = self.submit_statuses[min(len(self.submitted), len(self.submit_statuses)) - 1]
                self._answer(client, command, status, number, b"id\0")
            elif command == UNBIND:
                self._answer(client, command, OK, number, b"")

    @staticmethod
    def _answer(client: socket.socket, command: int, status: int, number: int, body: bytes) -> None:
        body = body if status == OK else b""
        client.sendall(struct.pack(">LLLL", 16 + len(body), command | ANSWER, status, number) + body)

    def close(self) -> None:
        # A listener that is only closed may keep its thread waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def centre() -> Iterator[SmsCentre]:
    running = SmsCentre()
    yield running
    running.close()


def send(port: int, delivery: Delivery = SMS) -> None:
    gateway = gateways.build(f"smpp://alarm:s3cr3t@127.0.0.1:{port}/493012345678/{{address}}")
    assert isinstance(gateway, ThreadGateway)
    gateway.send(delivery)


def test_a_long_text_goes_in_parts_which_the_phone_puts_together(centre: SmsCentre) -> None:
    delivery = dataclasses.replace(SMS, message="Übung 🔥 " * 20)
    send(centre.port, delivery)
    text = b""
    for number, body in enumerate(centre.submitted, 1):
        before, destination, after = body.partition(b"491512345678\0")
        assert (before[-2:], destination) == (b"\x01\0", b"491512345678\0")
        # A header of six bytes: 05 00 03, a number that the parts share, how many they are and which this is.
        part = after[after.index(b"\x05\x00\x03") :]
        assert list(part[4:6]) == [len(centre.submitted), number]
        text += part[6:]
    assert text.decode("utf-16-be") == texts.written(delivery)
    assert len(centre.submitted) > 1


@pytest.mark.parametrize("statuses", [[UNKNOWN_NUMBER], [TOO_MANY], [OK, TOO_MANY]])
def test_what_the_centre_does_not_take_is_tried_again(centre: SmsCentre, statuses: list[int]) -> None:
    centre.submit_statuses = statuses
    with pytest.raises(GatewayError) as raised:
        send(centre.port, dataclasses.replace(SMS, message="x" * 300))
    assert (raised.value.reason, raised.value.permanent) == ("SMPP: not taken", False)
    assert len(centre.submitted) == len(statuses)


def test_who_may_not_log_in_sends_nothing(centre: SmsCentre) -> None:
    centre.bind_status = BIND_FAILED
    with pytest.raises(GatewayError) as raised:
        send(centre.port)
    assert (raised.value.reason, raised.value.permanent) == ("SMPP: not taken", False)
    assert centre.submitted == []


def test_no_centre_is_temporary() -> None:
    # Held, so that nobody else listens there meanwhile.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(GatewayError) as raised:
            send(held.getsockname()[1])
    assert (raised.value.reason, raised.value.permanent) == ("SMPP: no connection or no answer", False)


def test_the_centre_is_left_as_it_wants_it(centre: SmsCentre) -> None:
    send(centre.port)
    assert centre.said[0] == BIND
    assert set(centre.said[1:-1]) == {SUBMIT, ENQUIRE | ANSWER}
    assert centre.said[-1] == UNBIND
