from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrganizationsConfig(AppConfig):
    name = "organizations"
    verbose_name = _("People and organizations")

    def ready(self) -> None:
        from organizations.checks import check_jwt, check_phone_region
        from organizations.person_data import own, parts

        parts.register(self.name, own.PART)
        check_jwt()
        check_phone_region()
