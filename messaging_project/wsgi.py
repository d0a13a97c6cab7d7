"""The WSGI application that gunicorn serves."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "messaging_project.settings")

django_application = get_wsgi_application()

# One byte more than Django takes (DATA_UPLOAD_MAX_MEMORY_SIZE), so that it sees what is too large.
LONGEST_BODY = 1024 * 1024 + 1


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve a request. A streamed body has no Content-Length, for which Django takes it for empty: it gets one here."""
    if environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):
        body = environ["wsgi.input"].read(LONGEST_BODY)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return django_application(environ, start_response)
