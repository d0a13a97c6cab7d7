"""The page /metrics, in Prometheus' text format, and who may read it."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from alarms.metrics import Metrics
from messaging_project import errors
from messaging_project.api import read_only

# Whatever one of them says, a proxy has passed the request on: that it comes from this machine says nothing then.
PASSED_ON = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")


@read_only
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """200 for who has the token of the setting METRICS_TOKEN; where there is none, for who asks from this machine."""
    if settings.METRICS_TOKEN:
        if not has_token(request):
            refused = errors.answer(request, 401, "Authorization: send Bearer and the METRICS_TOKEN of the service.")
            refused["WWW-Authenticate"] = "Bearer"
            return refused
    elif not is_local(request):
        return errors.answer(request, 403, "Only this machine may ask, as the service has no METRICS_TOKEN.")
    return HttpResponse(generate_latest(Metrics()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def has_token(request: HttpRequest) -> bool:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return constant_time_compare(token.strip(), settings.METRICS_TOKEN) and scheme.lower() == "bearer"


def is_local(request: HttpRequest) -> bool:
    """Whether a request comes from this machine itself, over no proxy on it."""
    if any(name.startswith(PASSED_ON) for name in request.META):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False  # A socket of this machine: it is a proxy that asks there.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
