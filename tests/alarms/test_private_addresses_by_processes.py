"""Real processes: what an organization brings does not get to where the service's own gateways are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from alarms import planning
from alarms.gateways import owned
from alarms.models import AlarmMessage, DeviceMessage, HookTry
from tests import factories
from tests.alarms.hooks import events_of, hook_at
from tests.processes import Processes, service, until
from tests.sinks import HttpSink

REFUSED = "its address is not allowed: private network"


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path, http_sink: HttpSink) -> Iterator[Processes]:
    url = f"{http_sink.url}/gateway"
    with service(tmp_path, GATEWAY_PAGER=url, GATEWAY_SMS=url, ALLOWED_NETWORKS="") as running:
        yield running


def test_the_services_gateways_get_there_and_those_of_an_organization_and_its_hooks_do_not(
    processes: Processes, http_sink: HttpSink
) -> None:
    organization, now = factories.OrganizationFactory(), timezone.now()
    user = factories.member(organization, ways=("pager", "sms"))
    factories.escalation(user, ("pager", 0), ("sms", 0))
    # The very URL that the service has.
    owned.bring(organization=organization, way="sms", urls=f"{http_sink.url}/gateway")
    events_of(hook_at(f"{http_sink.url}/hook", organization))
    alarm = factories.AlarmFactory(organization=organization, starts_at=now)
    recipient = factories.AlarmMessageFactory(alarm=alarm, user=user, planned_at=None)
    planning.plan(alarm_id=alarm.pk, first_id=recipient.pk, last_id=recipient.pk, now=now)
    assert AlarmMessage.objects.count() == 1
    processes.start("sender", "worker")
    until(lambda: not DeviceMessage.objects.filter(status__in=(0, 1)).exists() and HookTry.objects.exists())
    sent, failed = DeviceMessage.Status.SENT, DeviceMessage.Status.FAILED
    assert dict(DeviceMessage.objects.values_list("way", "status")) == {"pager": sent, "sms": failed}
    assert [tried["reason"] for tried in DeviceMessage.objects.get(way="sms").tried] == [REFUSED]
    assert set(HookTry.objects.values_list("status", "reason")) == {(None, REFUSED)}
    assert [post.json["way"] for post in http_sink.posts] == ["pager"]
