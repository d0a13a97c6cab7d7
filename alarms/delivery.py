"""One attempt to send a message: what the senders, the texts and the gateways hand each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings


def answer_url(code: str) -> str:
    """Return the address of the answer page of a recipient's code."""
    return f"{settings.BASE_URL}/a/{code}"


@dataclass(slots=True)
class Delivery:
    """One attempt to send one device message: what a gateway may want to know of it. Nobody changes one; to have that
    checked (frozen) takes three times as long to make each."""

    device_message_id: int
    recipient_id: int
    message_id: str
    """The recipient's UUID."""
    alarm_id: int
    organization_id: int
    user_id: int
    device_id: int
    way: str
    kind: int
    """DeviceMessage.Kind."""
    gateways_of: int
    """The organization whose own gateways it uses, 0: the service's."""
    gateway: int
    """The place of the gateway that it goes to, from 0."""
    refused: int
    """The gateways that have refused it for good, a bit each."""
    address: str
    device: str
    attempt: int
    """Counts from 1."""
    organization: str
    time_zone: str
    event: str
    message: str
    language: str
    until: datetime
    """Until when the recipient can answer, if this message reaches them now."""
    code: str
    """Of the recipient's answer page; empty where there is nothing to answer."""
    due: float | None = None
    """When its turn came, by the sender's clock in seconds since the epoch; None: it was sent before, or is a test."""
    in_place_of: int = -1
    """The place of the gateway whose turn it was, where that one rests and another stands in."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of one device message."""
        return f"{self.message_id}-{self.device_message_id}"

    @property
    def answer_url(self) -> str:
        return answer_url(self.code) if self.code else ""
