"""What holds for every answer: by https alone where the service is reached so, and nothing of it loads anything that is
not meant to be loaded."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase

from messaging_project import errors

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# What is asked from within, by http, and holds no secret.
FROM_WITHIN = re.compile(r"/(health(/live)?|metrics)/?")
READING = frozenset({"GET", "HEAD"})

# Of what has no policy of its own, such as JSON, nothing is loaded and nothing run.
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
NOT_NEEDED = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone")
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": ", ".join(f"{name}=()" for name in (*NOT_NEEDED, "midi", "payment", "usb")),
    "Cross-Origin-Resource-Policy": "same-origin",
}


def https_only(get_response: GetResponse) -> GetResponse:
    """Middleware: what our proxy says came by http is sent to https, if it is a page. What a program sends, with its
    token, was read by others already: it is refused, so that somebody notices.

    What no proxy has said anything of goes on: programs on the same machine, or a proxy that does not say it.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        came_by_http = "X-Forwarded-Proto" in request.headers and not request.is_secure()
        if not (settings.SECURE_SSL_REDIRECT and came_by_http) or FROM_WITHIN.fullmatch(request.path):
            return get_response(request)
        if request.method in READING and not request.path.startswith("/api/v1/"):
            return HttpResponsePermanentRedirect(f"{settings.BASE_URL}{request.get_full_path()}")
        return errors.answer(
            request, 403, f"https: only {settings.BASE_URL} takes this; others may have read what was sent."
        )

    return answer


def strict_answers(get_response: GetResponse) -> GetResponse:
    """Middleware: the headers that tell browsers what an answer may not do."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        return response

    return answer
