"""The answer page, which a recipient opens from whatever rang; its buttons, and those of other services, post to it."""

from __future__ import annotations

import logging
import zoneinfo
from datetime import datetime
from enum import Enum, auto

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import formats, translation
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import NotFound

from alarms import answer_codes, texts
from alarms.answering import answer_alarm
from alarms.models import AlarmMessage
from messaging_project import errors
from messaging_project.addresses import network_of
from messaging_project.errors import Conflict
from messaging_project.masking import place_of

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex, nofollow",
    # The address is the secret: nobody else gets it, and nothing of it is kept.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
RESPONSES = {"yes": True, "no": False}
# What sends a button's body with no type, or as text, means a form all the same.
UNTYPED = {"", "text/plain"}

# Pages that tell nothing of an alarm: a headline and a line of advice.
NOTICES = {
    404: (
        gettext_lazy("This link is not valid"),
        gettext_lazy("Please check that the address is complete. Its last part has 12 letters and digits."),
    ),
    410: (gettext_lazy("This alarm is over"), gettext_lazy("There is nothing left to answer. Thank you!")),
    429: (gettext_lazy("Too many attempts"), gettext_lazy("Please wait a minute, then open the link again.")),
    500: (
        gettext_lazy("Something went wrong here"),
        gettext_lazy("Please try again. If it does not work, please answer in another way."),
    ),
    503: (
        gettext_lazy("This page is not available right now"),
        gettext_lazy("Please try again in a moment. If it does not work, please answer in another way."),
    ),
}


class State(Enum):
    """Where an alarm stands for a recipient."""

    OPEN = auto()
    # Their time is over, but not that of others: the alarm is still shown.
    LATE = auto()
    # The code has died with the alarm.
    OVER = auto()


@csrf_exempt
def answer_page(request: HttpRequest, code: str) -> HttpResponseBase:
    """Show an alarm to the recipient whose code this is, or take their answer. The code itself is the secret: nobody
    has to log in, and no cookie is set.

    Nothing that goes wrong gets as far as Django, which would answer with an error for programs.
    """
    try:
        response = _answer(request, code)
    except (OperationalError, InterfaceError) as error:
        logger.error("the database refused an answer page: %s", (str(error) or type(error).__name__).splitlines()[0])
        response = _notice(503, _asked_language(request))
    except Exception as error:
        # Without what it says: that may be the code.
        logger.error("unexpected error in an answer page: %s", place_of(error))
        response = _notice(500, _asked_language(request))
    for name, value in HEADERS.items():
        response[name] = value
    # Else Django logs each answer from 400 on, with the address.
    response._has_been_logged = True  # type: ignore[attr-defined] # what django.utils.log.log_response() asks for
    return response


def _answer(request: HttpRequest, code: str) -> HttpResponse:
    if request.method not in METHODS:
        refused = errors.answer(request, 405, f"method: {request.method} is not allowed.")
        refused["Allow"] = ", ".join(METHODS)
        return refused
    address = network_of(request)
    if seconds := answer_codes.seconds_to_wait(address):
        return _throttled(request, seconds)
    recipient = answer_codes.recipient_of(code)
    if recipient is None:
        if answer_codes.count_wrong(address):
            return _throttled(request, answer_codes.seconds_to_wait(address))
        return _notice(404, _asked_language(request))
    return _take(request, recipient) if request.method == "POST" else _show(recipient)


def _throttled(request: HttpRequest, seconds: int) -> HttpResponse:
    page = _notice(429, _asked_language(request))
    page["Retry-After"] = str(max(1, seconds))
    return page


def _take(request: HttpRequest, recipient: AlarmMessage) -> HttpResponse:
    """Answer for a recipient; repeating the answer in force is no error, even when it is too late."""
    state = _state(recipient)
    if state is State.OVER:
        return _show(recipient)
    try:
        response = RESPONSES.get(_form(request).get("response", ""))
    except RequestDataTooBig:
        return _show(recipient, status=413)
    except (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        response = None
    if response is None:
        return _show(recipient, status=409 if state is State.LATE else 400)
    try:
        answer_alarm(
            alarm_id=recipient.alarm_id,
            user_id=recipient.user_id,
            response=response,
            source="answer page",
            organization=None,
        )
    except (Conflict, NotFound):
        # Too late, perhaps only since it was looked at.
        found = answer_codes.recipient_of(recipient.code)
        return _show(found, status=409) if found else _notice(404, _asked_language(request))
    to_the_answer = reverse("answer-page", kwargs={"code": recipient.code}) + "#answer"
    return HttpResponse(status=303, headers={"Location": to_the_answer})


def _form(request: HttpRequest) -> QueryDict:
    """Return what was posted.

    Raises: what Django raises for a body that it cannot read.
    """
    return QueryDict(request.body) if request.content_type in UNTYPED else request.POST


def _state(recipient: AlarmMessage) -> State:
    alarm, now = recipient.alarm, _now(recipient)
    if alarm.closed_at is not None or not (alarm.organization.is_active and recipient.user.is_active):
        return State.OVER
    if alarm.until(recipient.deadline) > now:
        return State.OPEN
    if alarm.scheduled_end_at is not None and alarm.scheduled_end_at <= now:
        return State.OVER
    others = AlarmMessage.objects.answerable(Now()).filter(alarm=alarm.pk)
    return State.LATE if others.exists() else State.OVER


def _now(recipient: AlarmMessage) -> datetime:
    now: datetime = recipient.database_now  # type: ignore[attr-defined] # annotated by answer_codes.recipient_of
    return now


def _show(recipient: AlarmMessage, *, status: int = 200) -> HttpResponse:
    """Render the alarm as it stands for a recipient. A status of 400 or 413 says why an answer was not taken."""
    state, language = _state(recipient), texts.shown_in(recipient.user.language)
    if state is State.OVER:
        return _notice(410, language)
    alarm, now = recipient.alarm, _now(recipient)
    zone = zoneinfo.ZoneInfo(alarm.organization.time_zone)
    until = alarm.until(recipient.deadline)
    seconds = max(0, int((until - now).total_seconds()))
    with translation.override(language):
        context = {
            "language": language,
            "alarm": alarm,
            "organization": alarm.organization.name,
            "response": recipient.response,
            "is_late": state is State.LATE,
            "is_wrong": status in (400, 413),
            "since": _said(alarm.starts_at.astimezone(zone), now),
            "until": _said(until.astimezone(zone), now),
            "seconds": seconds,
            "left": _span(seconds),
        }
        return HttpResponse(render_to_string("alarms/answer.html", context), status=status)


def _said(moment: datetime, now: datetime) -> str:
    """Return a time in its own time zone, with the date unless it is today."""
    time = moment.strftime("%H:%M")
    if moment.date() == now.astimezone(moment.tzinfo).date():
        return time
    return f"{formats.date_format(moment, 'DATE_FORMAT')}, {time}"


def _span(seconds: int) -> str:
    """Return a span of time as the script of the page says it, which adds the seconds."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    # Not broken between two lines.
    if hours:
        return f"{hours}\N{NO-BREAK SPACE}h {minutes}\N{NO-BREAK SPACE}min"
    return f"{minutes}\N{NO-BREAK SPACE}min" if minutes else f"{rest}\N{NO-BREAK SPACE}s"


def _notice(status: int, language: str) -> HttpResponse:
    """Render a page that tells nothing of an alarm."""
    title, text = NOTICES[status]
    with translation.override(language):
        context = {"language": language, "title": title, "text": text}
        return HttpResponse(render_to_string("alarms/answer_notice.html", context), status=status)


def _asked_language(request: HttpRequest) -> str:
    """Return the language of somebody who is not known."""
    return texts.shown_in(translation.get_language_from_request(request))
