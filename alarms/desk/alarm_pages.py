"""The page of an alarm: how it stands, its recipients, its timeline, and what can be done about it."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET
from rest_framework.exceptions import ValidationError

from alarms.again import alarm_again, unanswered
from alarms.closing import close_alarm
from alarms.desk import recipients
from alarms.desk.alarm_forms import AgainForm, CloseForm
from alarms.desk.alarm_scheduled import meant
from alarms.desk.alarm_state import standing
from alarms.desk.timeline import timeline
from alarms.desk.timeline_drawing import drawing
from alarms.models import Alarm
from alarms.models.template import MAX_MESSAGE
from alarms.repeating import repeatable
from messaging_project import database
from messaging_project.errors import Conflict
from messaging_project.fragments import fragment
from organizations.desk import Desk


def state_context(alarm: Alarm) -> dict[str, Any]:
    return {"alarm": alarm, "standing": standing(alarm)}


def recipients_context(alarm: Alarm, request: HttpRequest) -> dict[str, Any]:
    asked = recipients.wanted(request.GET)
    page, rows = recipients.page_of(alarm, asked)
    return {
        "alarm": alarm,
        "asked": asked,
        "page": page,
        "rows": rows,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1),
    }


def timeline_context(alarm: Alarm) -> dict[str, Any]:
    found = timeline(alarm)
    context: dict[str, Any] = {"alarm": alarm, "timeline": found}
    if found is not None:
        context |= {"drawing": drawing(found), "ticks": found.ticks(alarm.organization.time_zone)}
    return context


class AlarmPages(Desk[Alarm]):
    """Whoever sees an alarm is an admin of its organization: they may close it and raise it again."""

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site

        def part(name: str, view: Any) -> URLPattern:
            # Whether a browser may keep it says the fragment.
            shown: Any = site.admin_view(require_GET(view), cacheable=True)
            return path(f"<int:alarm_id>/{name}/", shown, name=f"alarms_alarm_{name}")  # type: ignore[no-any-return]

        return [
            part("state", self.state_view),
            part("recipients", self.recipients_view),
            part("timeline", self.timeline_view),
            path("<int:alarm_id>/close/", site.admin_view(self.close_view), name="alarms_alarm_close"),
            path("<int:alarm_id>/again/", site.admin_view(self.again_view), name="alarms_alarm_again"),
            *super().get_urls(),
        ]

    # The page

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Alarm | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= state_context(obj) | {
                "title": obj.event_name or _("Alarm %(number)d") % {"number": obj.pk},
                "subtitle": None,
                "now": database.now(),
            }
            if obj.pending_resources is not None:
                context["meant"] = meant(obj)
            else:
                context |= recipients_context(obj, request) | timeline_context(obj)
                context["choices"] = recipients.choices()
        return super().render_change_form(request, context, add, change, form_url, obj)

    # What of it moves by itself

    def state_view(self, request: HttpRequest, alarm_id: int) -> HttpResponse:
        alarm = self._polled(request, alarm_id)
        return self._part(request, alarm, "state", state_context(alarm))

    def recipients_view(self, request: HttpRequest, alarm_id: int) -> HttpResponse:
        alarm = self._polled(request, alarm_id)
        return self._part(request, alarm, "recipients", recipients_context(alarm, request))

    def timeline_view(self, request: HttpRequest, alarm_id: int) -> HttpResponse:
        alarm = self._polled(request, alarm_id)
        return self._part(request, alarm, "timeline", timeline_context(alarm))

    def _part(self, request: HttpRequest, alarm: Alarm, name: str, context: dict[str, Any]) -> HttpResponse:
        response = fragment(request, f"alarms/desk/alarm_{name}.html", context)
        if standing(alarm).is_settled:
            response["X-Poll"] = "over"
        return response

    def _polled(self, request: HttpRequest, alarm_id: int) -> Alarm:
        alarm = self._seen(request, alarm_id)
        if alarm is None:
            raise Http404
        return alarm

    def _seen(self, request: HttpRequest, alarm_id: int) -> Alarm | None:
        alarm: Alarm | None = self.get_object(request, str(alarm_id))
        return alarm if alarm is not None and self.has_view_permission(request, alarm) else None

    def _missing(self, request: HttpRequest, alarm_id: int) -> HttpResponseBase:
        """Say of another's alarm too that there is none."""
        self.message_user(request, _("There is no alarm %(number)d.") % {"number": alarm_id}, messages.WARNING)
        return redirect("admin:alarms_alarm_changelist")

    # Closing

    def close_view(self, request: HttpRequest, alarm_id: int) -> HttpResponseBase:
        alarm = self._seen(request, alarm_id)
        if alarm is None:
            return self._missing(request, alarm_id)
        now_standing = standing(alarm)
        if not (now_standing.may_close or now_standing.may_clear):
            self.message_user(request, _("There is nothing left to close."), messages.INFO)
            return redirect("admin:alarms_alarm_change", alarm.pk)
        form = CloseForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid() and self._close(request, alarm, form):
            return redirect("admin:alarms_alarm_change", alarm.pk)
        return self._ask(request, alarm, "close", form=form, most=MAX_MESSAGE)

    def _close(self, request: HttpRequest, alarm: Alarm, form: CloseForm) -> bool:
        all_clear = form.cleaned_data["all_clear"]
        try:
            close_alarm(alarm_id=alarm.pk, now=database.now(), all_clear=all_clear)
        except Conflict:
            form.add_error("all_clear", _("Another all-clear was told before. Nothing was changed."))
            return False
        # One that was scheduled may have been raised meanwhile.
        alarm.refresh_from_db(fields=["pending_resources"])
        if alarm.pending_resources is not None:
            done = _("The alarm is cancelled: nobody is alarmed.")
        elif all_clear:
            done = _("The alarm is closed, and the all-clear is on its way.")
        else:
            done = _("The alarm is closed: nothing further is sent.")
        self.log_change(request, alarm, done)
        self.message_user(request, done, messages.SUCCESS)
        return True

    # Again

    def again_view(self, request: HttpRequest, alarm_id: int) -> HttpResponseBase:
        alarm = self._seen(request, alarm_id)
        if alarm is None:
            return self._missing(request, alarm_id)
        form = AgainForm(request.POST if request.method == "POST" else None, initial={"key": uuid.uuid4()})
        if request.method == "POST" and form.is_valid():
            again = self._again(request, alarm, form)
            if again is not None:
                return redirect("admin:alarms_alarm_change", again.pk)
        return self._ask(request, alarm, "again", form=form, number=unanswered(alarm).count())

    def _again(self, request: HttpRequest, alarm: Alarm, form: AgainForm) -> Alarm | None:
        request_once = repeatable(
            principal=f"user {request.user.pk}", key=str(form.cleaned_data["key"]), body={"again": alarm.pk}
        )
        try:
            again = alarm_again(alarm=alarm, raised_by=str(request.user), now=database.now(), repeatable=request_once)
        except ValidationError:
            form.add_error(None, _("Nobody is left to be alarmed again. Nothing was raised."))
            return None
        except Conflict:
            form.add_error(None, _("This alarm cannot be raised again. Nothing was raised."))
            return None
        number = again.alarm_messages.count()
        done = ngettext(
            "One person is alarmed again with this alarm.",
            "%(number)d people are alarmed again with this alarm.",
            number,
        ) % {"number": number}
        self.log_change(request, alarm, _("Raised again as alarm %(number)d.") % {"number": again.pk})
        self.message_user(request, done, messages.SUCCESS)
        return again

    def _ask(self, request: HttpRequest, alarm: Alarm, what: str, **context: Any) -> HttpResponseBase:
        """Show the form that has to be confirmed."""
        page = state_context(alarm) | context
        page |= {"opts": self.opts, "original": alarm, "back": reverse("admin:alarms_alarm_change", args=[alarm.pk])}
        return TemplateResponse(request, f"alarms/desk/alarm_{what}.html", self.admin_site.each_context(request) | page)
