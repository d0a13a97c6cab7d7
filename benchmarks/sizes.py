"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    recipients: int = 10_000
    """Of the alarm that most figures are about."""
    many_recipients: int = 100_000
    small_alarms: int = 1_000
    """How many alarms of ten recipients are raised at once."""
    hangs: float = 10.0
    """Seconds until a hanging address is answered."""
    mails: int = 3_000
    device_messages: int = 5_000_000
    """In the tables that are full; `recipients` in those that are not."""
    inbox_before: int = 50_000
    """Inbox messages in the tables that are not full."""
    inbox_messages: int = 2_000_000
    """In those that are."""
    rounds: int = 3
    """How often what is compared is measured in turns; the median counts."""
    seconds: float = 2.0
    """How long requests are made in a round."""
    pauses: int = 20
    """How many alarms are raised one after the other while nothing else is done."""
    claims: int = 40
    """How often the claim is measured; the median counts."""


FULL = Sizes()
# Shows that everything works; its figures mean nothing.
QUICK = Sizes(
    recipients=100,
    many_recipients=400,
    small_alarms=5,
    hangs=0.5,
    mails=20,
    device_messages=4_000,
    inbox_before=100,
    inbox_messages=400,
    rounds=1,
    seconds=0.1,
    pauses=2,
    claims=2,
)
