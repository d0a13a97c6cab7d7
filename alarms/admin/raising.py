"""Raising an alarm from the admin: a form, a preview of whom it reaches, and only then the alarm."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework.exceptions import ValidationError

from alarms.admin.choosing import is_id, members_of, organization_of, organizations_of
from alarms.admin.raise_form import RaiseForm, filled_in, says_nothing
from alarms.admin.raise_preview import moment, shown
from alarms.models import Alarm, AlarmTemplate
from alarms.previewing import preview
from alarms.raising import AlarmOrder, raise_alarm
from alarms.repeating import repeatable
from messaging_project import database
from messaging_project.errors import Conflict
from organizations.authentication import Principal
from organizations.models import User
from organizations.permissions import principal_key

# What is sent along and is no field.
BESIDE = frozenset({"csrfmiddlewaretoken", "step", "key"})


def raise_view(model_admin: ModelAdmin[Alarm], request: HttpRequest) -> HttpResponse:
    """Answer the page that raises an alarm. What each button does stands in its `step`."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        return form_page(model_admin, request, RaiseForm(request, None, entered=asked_for(request)))
    data: QueryDict = request.POST
    step = data.get("step", "preview")
    template = template_in(request, data)
    if template is not None and (step == "fill" or (step == "preview" and says_nothing(data))):
        data = filled_in(data, template)
    if step in {"fill", "form"}:
        return form_page(model_admin, request, RaiseForm(request, None, entered=data))
    form = RaiseForm(request, data)
    if form.is_valid() and form.order is not None:
        try:
            if step == "raise":
                return raised(request, form.order, form.body)
            return preview_page(model_admin, request, form.order, data)
        except ValidationError as error:
            form.refuse(error.detail)
        except Conflict as error:
            form.add_error(None, str(error.detail))
    return form_page(model_admin, request, form)


def asked_for(request: HttpRequest) -> QueryDict:
    """Return what a link to the page fills in: an organization, a template."""
    entered = QueryDict(mutable=True)
    entered["organization"] = request.GET.get("organization", "")
    wanted = request.GET.get("template", "")
    template = template_of_caller(request, wanted)
    if template is not None:
        entered["organization"] = str(template.organization_id)
        return filled_in(entered, template)
    if wanted:
        messages.warning(request, _("There is no such template. Perhaps it was deleted."))
    return entered


def template_of_caller(request: HttpRequest, text: str) -> AlarmTemplate | None:
    if not is_id(text):
        return None
    return AlarmTemplate.objects.filter(organization__in=organizations_of(request), pk=text).first()


def template_in(request: HttpRequest, data: QueryDict) -> AlarmTemplate | None:
    """Return the chosen template, if it is of the chosen organization."""
    template = template_of_caller(request, data.get("template", ""))
    organization = organization_of(request, data.get("organization"))
    return template if template and organization and template.organization_id == organization.pk else None


def form_page(model_admin: ModelAdmin[Alarm], request: HttpRequest, form: RaiseForm) -> HttpResponse:
    now = timezone.now()
    context = {
        "form": form,
        "chosen": form.chosen,
        "only": form.only,
        "filling": reverse("admin:alarms_alarmtemplate_filling", args=[0]),
        "members": members_of(form.chosen).filter(is_active=True).count(),
        "clock": moment(now, form.zone),
        "zone": form.zone.key if form.chosen else "",
        "key": request.POST.get("key") or uuid.uuid4(),
        # Only what is not as usual is open.
        "special": any(form[name].value() or form[name].errors for name in ("start", "end", "repeat", "repeat_after")),
    }
    return page(model_admin, request, "raise.html", _("Raise an alarm"), context)


def preview_page(
    model_admin: ModelAdmin[Alarm], request: HttpRequest, order: AlarmOrder, data: QueryDict
) -> HttpResponse:
    """Show whom an alarm would reach; what was entered goes along.

    Raises: ValidationError if it cannot be raised.
    """
    now = database.now()
    found = preview(order=order, now=now)
    context = shown(order, found, now=now) | {
        "entered": [(name, value) for name, values in data.lists() if name not in BESIDE for value in values],
        "key": data.get("key") or uuid.uuid4(),
    }
    return page(model_admin, request, "raise_preview.html", _("Check the alarm"), context)


def page(
    model_admin: ModelAdmin[Alarm], request: HttpRequest, template: str, title: str, context: dict[str, Any]
) -> HttpResponse:
    around = {**model_admin.admin_site.each_context(request), "model_admin": model_admin, "title": title}
    return TemplateResponse(request, f"admin/alarms/alarm/{template}", around | context)


def raised(request: HttpRequest, order: AlarmOrder, body: dict[str, Any]) -> HttpResponse:
    """Raise an alarm and go to its page.

    Raises: ValidationError if it cannot be raised; Conflict if the key of the page was used for another.
    """
    asking: Principal | Any = request.user
    assert isinstance(asking, User)
    # One alarm however often the button is pressed, and after going back too, unless something was changed there.
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    key = f"admin {request.POST.get('key') or uuid.uuid4()} {digest}"
    alarm, is_new = raise_alarm(
        order=order,
        raised_by=str(asking),
        now=database.now(),
        repeatable=repeatable(principal=principal_key(asking), key=key, body=body),
    )
    messages.success(request, done(alarm) if is_new else _("This alarm was raised already: nobody is alarmed twice."))
    return redirect("admin:alarms_alarm_change", alarm.pk)


def done(alarm: Alarm) -> str:
    if alarm.pending_resources is not None:
        text = _("The alarm is scheduled: it is raised on %(time)s (%(zone)s).")
        zone = alarm.organization.time_zone
        return text % {"time": moment(alarm.starts_at, zone), "zone": zone}
    recipients = alarm.alarm_messages.count()
    text = ngettext(
        "The alarm is raised, for %(number)d person.", "The alarm is raised, for %(number)d people.", recipients
    )
    return text % {"number": recipients}
