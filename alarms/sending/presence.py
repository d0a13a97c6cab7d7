"""A sender shows that it lives, and keeps what it has taken up."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, Sequence

from django.db import connection
from django.db.models.functions import Now

from alarms.models import Sender
from alarms.sending.claim import LEASE
from alarms.sending.tally import TALLY

INTERVAL = 1.0  # seconds between heartbeats


def enter() -> int:
    """Register this process as a sender and return its id."""
    return Sender.objects.create(host=socket.gethostname(), pid=os.getpid()).pk


def beat(
    sender_id: int,
    *,
    last_starts: Mapping[str, float],
    resting: Sequence[Mapping[str, object]],
    under_way: Collection[int],
) -> None:
    """Show that the sender lives, renew the leases of its messages that have been under way for some time, and write
    down what it has counted.

    Args:
        last_starts: when each way last started to send something, in seconds since the epoch.
        resting: the gateways that it leaves alone (Sender.resting).
        under_way: ids of device messages.
    """
    beating = Sender.objects.filter(pk=sender_id).update(
        heartbeat_at=Now(), last_starts=dict(last_starts), resting=list(resting)
    )
    if not beating:
        # Held to be gone for long (a machine that slept, a database restored): it lives all the same.
        Sender.objects.create(pk=sender_id, host=socket.gethostname(), pid=os.getpid())
    if under_way:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE alarms_devicemessage SET lease_until = now() + make_interval(secs => %s)"
                " WHERE id = ANY(%s) AND status = 1 AND sender_id = %s",
                [LEASE, list(under_way), sender_id],
            )
    TALLY.write()


def let_go(sender_id: int, *, under_way: Collection[int]) -> None:
    """Return to the queue what the database says this sender has taken up, but of which it knows nothing: the answer to
    its claim was lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE alarms_devicemessage SET status = 0, due_at = now(), sender_id = NULL, lease_until = NULL"
            " WHERE status = 1 AND sender_id = %s AND NOT id = ANY(%s)",
            [sender_id, list(under_way)],
        )


def leave(sender_id: int) -> None:
    TALLY.write()
    Sender.objects.filter(pk=sender_id).delete()
