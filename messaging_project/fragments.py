"""Parts of pages that are asked for again and again (static/messaging_project/desk_poll.js)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag


def fragment(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Return the rendered `template`, or 304 to who has seen the very same.

    What differs each time, such as a CSRF token or the time of day, must not stand in it. A caller sets the header
    `X-Poll: over` on what is returned once nothing more will change.
    """
    page = HttpResponse(render_to_string(template, dict(context), request))
    page["ETag"] = quote_etag(hashlib.sha256(page.content).hexdigest()[:32])
    page["Cache-Control"] = "private, no-cache"
    answer = get_conditional_response(request, etag=page["ETag"], response=page)
    assert isinstance(answer, HttpResponse)
    return answer
