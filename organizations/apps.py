from __future__ import annotations

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "organizations"

    def ready(self) -> None:
        from organizations.checks import check_jwt, check_phone_region

        check_jwt()
        check_phone_region()
