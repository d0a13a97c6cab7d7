from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from alarms import raising
from organizations.models import Organization
from tests.factories import OrganizationFactory
from tests.processes import Processes, service
from tests.sinks import HttpSink, MailSink

# Short enough to watch: the default of the service waits a minute between SMS and call.
DEFAULT_ESCALATION = "app:0,pager:0,email:0,sms:2,call:2"
GATEWAY_SECRET = "shared with the gateway"


@pytest.fixture
def brigade(db: None) -> Organization:
    organization: Organization = OrganizationFactory()
    return organization


@pytest.fixture
def boss(brigade: Organization, as_organization: Callable[[Organization], APIClient]) -> APIClient:
    """A client with an API token of the brigade."""
    return as_organization(brigade)


@pytest.fixture
def planned_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every recipient of an alarm is planned by a job, as most of a large alarm's are, and not as it is raised."""
    monkeypatch.setattr(raising, "PLANNED_AT_ONCE", 0)


@pytest.fixture
def mail(settings: Any) -> Iterator[MailSink]:
    """The mail server of the gateways of this process."""
    sink = MailSink()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    yield sink
    sink.close()


@pytest.fixture
def http_sink() -> Iterator[HttpSink]:
    sink = HttpSink()
    yield sink
    sink.close()


@pytest.fixture
def mail_sink() -> Iterator[MailSink]:
    sink = MailSink()
    yield sink
    sink.close()


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path, http_sink: HttpSink, mail_sink: MailSink) -> Iterator[Processes]:
    """Processes whose gateways are the sinks; none runs yet."""
    url = f"{http_sink.url}/gateway"
    with service(
        tmp_path,
        GATEWAY_APP=url,
        GATEWAY_PAGER=url,
        GATEWAY_SMS=url,
        GATEWAY_CALL=url,
        GATEWAY_EMAIL="email:",
        GATEWAY_SECRET=GATEWAY_SECRET,
        EMAIL_URL=mail_sink.url,
        DEFAULT_ESCALATION=DEFAULT_ESCALATION,
    ) as running:
        yield running
