from __future__ import annotations

import logging

from alarms import texts
from alarms.delivery import Delivery
from alarms.gateways.base import ThreadGateway, masked

logger = logging.getLogger(__name__)


class LogGateway(ThreadGateway):
    """`log:` writes the message to the log."""

    connections = 2

    def send(self, delivery: Delivery) -> None:
        logger.info(
            "%s to %s (%s): %s alarm=%d message=%s",
            delivery.way,
            delivery.device,
            masked(delivery.address),
            " / ".join(texts.written(delivery).splitlines()),
            delivery.alarm_id,
            delivery.message_id,
        )
