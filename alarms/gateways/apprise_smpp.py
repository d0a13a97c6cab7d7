"""SMPP: Apprise hands a message to the SMS centre and does not wait for its word. Here it does: what the centre
refuses, as it does with what is too much for it, has not been sent. And a connection that fails is closed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from smpplib.client import Client

_hand_over = Client.send_message


def send_and_hear(client: Client, **message: Any) -> Any:
    """Raises: what smpplib does where the centre refuses a message or says nothing."""
    answers: list[Any] = []
    client.set_message_sent_handler(lambda pdu, **_more: answers.append(pdu))
    sent = _hand_over(client, **message)
    while not answers:
        client.read_once(auto_send_enquire_link=False)
    return sent


def or_leave(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def closing(client: Client, **arguments: Any) -> Any:
        try:
            return method(client, **arguments)
        except Exception:
            client.disconnect()
            raise

    return closing


def put() -> None:
    Client.send_message = send_and_hear
    Client.connect = or_leave(Client.connect)
    Client.bind_transmitter = or_leave(Client.bind_transmitter)
