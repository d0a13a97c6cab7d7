"""The queue of jobs, in the admin: of all organizations, so for superusers, and to be read only."""

from __future__ import annotations

import json

from django.contrib import admin
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.models import ProcrastinateJob

from messaging_project.admin import ReadOnly
from organizations.desk import OfSuperusers

# Its own page asks for Django's permissions, which count for nothing here.
admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnly, OfSuperusers[ProcrastinateJob]):
    list_display = ("id", "task_name", "given", "status", "queue_name", "scheduled_at", "attempts")
    list_filter = ("status", "queue_name")
    ordering = ("-id",)
    search_fields = ("=id", "task_name")
    show_full_result_count = False
    fields = ("task_name", "args", "status", "queue_name", "lock", "queueing_lock", "scheduled_at", "attempts")

    @admin.display(description=_("arguments"))
    def given(self, job: ProcrastinateJob) -> str:
        return Truncator(json.dumps(job.args)).chars(100)
