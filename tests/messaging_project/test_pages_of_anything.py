"""What stands beside the API, asked for in any way: never a fault of ours, and no page but where there are pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from organizations.models import Organization
from tests.examples import examples
from tests.messaging_project.asking import IDS, undone

pytestmark = pytest.mark.django_db

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ODD = st.sampled_from(
    ["", "0", "-1", "\x00", "../../etc/passwd", "%", "\r\nX: y", "//", "a" * 3000, "🚒", "'\"><", "null"]
)
VALUES = TEXT | ODD
# What HTTP can carry.
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
KNOWN = st.sampled_from(
    [
        *(
            "/",
            f"/a/{IDS['code']}",
            f"/a/{IDS['code']}/",
            "/a/",
            "/admin/login/",
            "/admin/logout/",
            "/admin/",
            "/admin",
        ),
        *("/language/", "/health", "/health/live/", "/metrics", "/api/docs", "/api/schema", "/api/v1/", "/api/v1/msg"),
        *("/anymail/", "/anymail/mailgun/tracking/", "/anymail/postmark/tracking/", "/static/admin/css/base.css"),
    ]
)
WITHIN = st.sampled_from(["/a/{}", "/admin/{}", "/static/{}", "/anymail/{}/tracking/", "/api/v1/{}", "/{}", "/a/{}/x"])
PATHS = KNOWN | st.builds(lambda where, text: where.format(quote(text, safe="/")), WITHIN, VALUES)
NAMES = (
    st.sampled_from(["response", "answer", "next", "language", "username", "password", "csrfmiddlewaretoken"]) | TEXT
)
FORMS = st.lists(st.tuples(NAMES, VALUES), max_size=4).map(urlencode)
HEADERS_READ = (
    *("Accept", "Accept-Language", "Cookie", "X-Forwarded-For", "Referer", "Origin", "If-None-Match", "Range", "Host"),
    *("If-Modified-Since", "Authorization", "API-TOKEN", "X-HTTP-Method-Override", "Accept-Encoding", "User-Agent"),
)
HEADERS = st.dictionaries(
    st.sampled_from(HEADERS_READ),
    HEADER
    | st.sampled_from(["text/html", "*/*;q=x", "sessionid=\xff; csrftoken=a", "bytes=9-1", "Basic =", "de-x-\xff"]),
    max_size=4,
)
METHODS = st.sampled_from(["GET", "GET", "POST", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])


@examples(80)
@given(method=METHODS, path=PATHS, query=FORMS, form=FORMS, headers=HEADERS, data=st.data())
def test_whoever_asks_for_whatever_is_answered(
    brigade: Organization, method: str, path: str, query: str, form: str, headers: dict[str, str], data: st.DataObject
) -> None:
    media_type = data.draw(
        st.sampled_from(
            ["application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", ""]
        )
    )
    client = Client(raise_request_exception=True)
    with undone():
        answer: Any = client.generic(method, f"{path}?{query}", form, media_type, headers=headers)
        content = b"".join(answer) if answer.streaming else answer.content
    assert answer.status_code < 500 or (answer.status_code == 503 and path.startswith("/health")), content
    if answer.status_code >= 400 and content and not path.startswith(("/a/", "/admin/", "/metrics")):
        assert answer["Content-Type"].startswith("application/json"), content
