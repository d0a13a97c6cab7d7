"""The WSGI application that gunicorn serves."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application
from gunicorn import util

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "messaging_project.settings")

django_application = get_wsgi_application()

from messaging_project.errors import body  # noqa: E402 - needs the settings that get_wsgi_application() sets up
from messaging_project.incoming import LONGEST_BODY  # noqa: E402

# Django reads forms and queries in the charset that a request names, and stumbles over some (base64, punycode) before
# anybody could answer. Others than these are as if they were not named: UTF-8.
CHARSET = re.compile(
    r""";\s*charset\s*=\s*"?(?!(?:utf-?8|us-ascii|iso-8859-1|windows-1252)"?\s*(?:;|$))[^;]*""", re.IGNORECASE
)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve a request. A streamed body has no Content-Length, for which Django takes it for empty: it gets one here."""
    environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    if environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):
        content = environ["wsgi.input"].read(LONGEST_BODY + 1)
        environ |= {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}
    if int(environ.get("CONTENT_LENGTH") or 0) > LONGEST_BODY:
        return too_large(environ, start_response)
    answer = django_application(environ, start_response)
    if environ["REQUEST_METHOD"] != "HEAD":
        return answer
    # It has the headers of a GET, but no body: gunicorn warns of one each time.
    answer.close()
    return []


def too_large(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Refuse what Django would write to the disk, as it is a file to it, before anybody asks who sends it."""
    content = json.dumps(body(413, "The body is too large.", path=environ.get("PATH_INFO", ""))).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Connection", "close")]
    start_response("413 Content Too Large", headers)
    return [content if environ["REQUEST_METHOD"] != "HEAD" else b""]


def write_error(client: socket.socket, status: int, reason: str, details: str) -> None:
    """Answer what never reaches Django, mostly as it is no valid HTTP, in JSON too (gunicorn's own answer is HTML).

    What a broken line or header holds is not repeated: it may be a token.
    """
    if status in {414, 431}:
        error = details
    elif status == 408:
        error = "The request was not sent in time."
    elif status == 500:
        error = "unexpected error"
    else:
        error = "HTTP: the request line, a header or a chunk is not valid."
    content = json.dumps(body(status, error, path="")).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    util.write_nonblock(client, head.encode("latin1") + content)


def is_event(record: logging.LogRecord) -> bool:
    """Whether a log record is an event of the service, not a client's mistake (told there with all that it holds)."""
    return not record.getMessage().startswith("Invalid request from ip=")


util.write_error = write_error
logging.getLogger("gunicorn.error").addFilter(is_event)
