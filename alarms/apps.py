from __future__ import annotations

from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "alarms"

    def ready(self) -> None:
        from anymail.signals import tracking

        from alarms import (
            anymail_receipts,
            checks,  # noqa: F401 - registers itself
        )

        tracking.connect(anymail_receipts.take)
