from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps


class ProjectConfig(AppConfig):
    default = True
    name = "messaging_project"


class DeskConfig(apps.AdminConfig):
    default = False
    default_site = "messaging_project.desk.DeskSite"
