from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AlarmsConfig(AppConfig):
    name = "alarms"
    verbose_name = _("Alarms")

    def ready(self) -> None:
        from anymail.signals import tracking

        from alarms import (
            anymail_receipts,
            checks,  # noqa: F401 - registers itself
            person_data,
        )
        from alarms.gateways import owned
        from escalations import reach
        from organizations.person_data import parts

        tracking.connect(anymail_receipts.take)
        parts.register(self.name, person_data.PART)
        reach.register(owned.ways_of)
