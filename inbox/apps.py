from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InboxConfig(AppConfig):
    name = "inbox"
    verbose_name = _("Inbox")

    def ready(self) -> None:
        from inbox import (
            checks,  # noqa: F401 - registers itself
            person_data,
        )
        from organizations.person_data import parts

        parts.register(self.name, person_data.PART)
