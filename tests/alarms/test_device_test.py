"""`POST /device/{id}/test`: a test message goes to a device now, and the answer says what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from alarms import gateways
from alarms.delivery import Delivery
from alarms.gateways import owned
from alarms.gateways.base import ThreadGateway
from alarms.models import Alarm, DeviceMessage
from organizations.models import Device, Organization, User
from tests.dialect import refused
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, UserFactory, member
from tests.sinks import HttpSink, MailSink, answers, refusing_port

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]

ADDRESS = "+493023125009"


def ask(client: APIClient, device: Device) -> Any:
    return client.post(f"/api/v1/device/{device.pk}/test")


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory(name="Wache Nord", time_zone="Europe/Berlin")


@pytest.fixture
def device(brigade: Organization) -> Device:
    """Of a member whom the brigade manages."""
    return DeviceFactory(user=member(brigade, language="de"), way="sms", name="Work phone", address=ADDRESS)


@pytest.fixture
def own(as_user: AsUser, device: Device) -> APIClient:
    return as_user(device.user)


@pytest.fixture
def sms(settings: Any) -> Callable[..., None]:
    """Sets the service's gateways for the way sms."""

    def use(*urls: str) -> None:
        settings.GATEWAYS = settings.GATEWAYS | {"sms": list(urls)}

    return use


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_gateway_gets_a_message_that_says_it_is_a_test(
    own: APIClient, device: Device, brigade: Organization, sms: Any, http_sink: HttpSink, slash: str
) -> None:
    sms(f"{http_sink.url}/gateway")
    answer = own.post(f"/api/v1/device/{device.pk}/test{slash}")
    tried = [{"gateway": "127.0.0.1", "reason": ""}]
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": 2, "gateway": "127.0.0.1", "reason": "", "tried": tried},
    )
    (post,) = http_sink.posts
    text = post.json.pop("text")
    assert text.startswith("TEST Wache Nord\n")
    # In the language of the recipient.
    assert "kein" in text.lower()
    assert post.key.startswith(post.json.pop("messageId"))
    assert post.json == {
        "alarmID": 0,
        "organizationID": brigade.pk,
        "userID": device.user_id,
        "way": "sms",
        "address": ADDRESS,
        "device": "Work phone",
        "answerURL": "",
        "attempt": 1,
        "kind": "test",
    }
    assert not Alarm.objects.exists()
    assert not DeviceMessage.objects.exists()


def test_the_next_gateway_is_tried_where_one_fails_and_all_are_told(
    own: APIClient, device: Device, sms: Any, http_sink: HttpSink
) -> None:
    http_sink.behaviours[ADDRESS] = answers(404, 503, 200)
    with refusing_port() as port:
        away = f"http://localhost:{port}"
        sms(away, f"{http_sink.url}/first", f"{http_sink.url}/second", f"{http_sink.url}/third", "log:")
        answer = ask(own, device).json()
    assert (answer["status"], answer["gateway"], answer["reason"]) == (2, "127.0.0.1", "")
    assert answer["tried"][0]["gateway"] == "localhost"
    assert answer["tried"][0]["reason"].startswith("no connection")
    assert answer["tried"][1:] == [{"gateway": "127.0.0.1", "reason": why} for why in ("HTTP 404", "HTTP 503", "")]
    assert [post.path for post in http_sink.posts] == ["/first", "/second", "/third"]
    assert [post.json["attempt"] for post in http_sink.posts] == [2, 3, 4]
    assert len({post.key for post in http_sink.posts}) == 1


def test_where_all_gateways_fail_the_last_says_why(
    own: APIClient, device: Device, sms: Any, http_sink: HttpSink
) -> None:
    http_sink.behaviours[ADDRESS] = answers(503, 410)
    sms(f"{http_sink.url}/first", f"{http_sink.url}/second")
    answer = ask(own, device)
    assert answer.status_code == 200
    tried = [{"gateway": "127.0.0.1", "reason": why} for why in ("HTTP 503", "HTTP 410")]
    assert answer.json() == {"status": 4, "gateway": "127.0.0.1", "reason": "HTTP 410", "tried": tried}


def test_a_test_that_fails_is_not_tried_again(own: APIClient, device: Device, sms: Any, http_sink: HttpSink) -> None:
    http_sink.behaviours[ADDRESS] = answers(503)
    sms(http_sink.url)
    assert ask(own, device).json()["status"] == 4
    assert refused(ask(own, device), 429)
    assert len(http_sink.posts) == 1


def test_the_gateways_are_those_of_the_organization_that_manages_the_user(
    own: APIClient, device: Device, brigade: Organization, sms: Any, http_sink: HttpSink
) -> None:
    MembershipFactory(user=device.user, organization=(other := OrganizationFactory()))
    owned.bring(organization=other, way="sms", urls=f"{http_sink.url}/of-the-other")
    sms(f"{http_sink.url}/service")
    ask(own, device)
    owned.bring(organization=brigade, way="sms", urls=f"{http_sink.url}/first {http_sink.url}/second")
    http_sink.behaviours[ADDRESS] = answers(200, 503, 200)
    Device.objects.update(tested_at=None)
    assert ask(own, device).json()["status"] == 2
    assert [post.path for post in http_sink.posts] == ["/service", "/first", "/second"]


def test_who_is_managed_by_no_organization_is_reached_by_the_service(
    as_user: AsUser, sms: Any, http_sink: HttpSink
) -> None:
    sms(http_sink.url)
    device = DeviceFactory(user=UserFactory(language="en"), way="sms", address=ADDRESS)
    assert ask(as_user(device.user), device).json()["status"] == 2
    (post,) = http_sink.posts
    assert post.json["organizationID"] == 0
    assert post.json["text"].startswith("TEST")


def test_an_e_mail_is_sent_over_the_mail_server(
    as_user: AsUser, brigade: Organization, settings: Any, mail_sink: MailSink
) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"email": ["email:"]}
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_sink.port
    mail_sink.refused["gone@example.org"] = "550 no such mailbox"
    user = member(brigade, language="en")
    there, gone = (DeviceFactory(user=user, way="email", address=f"{name}@example.org") for name in ("anna", "gone"))
    client = as_user(user)
    assert ask(client, there).json()["status"] == 2
    (mail,) = mail_sink.mails
    assert (mail.to, mail.message["Subject"].partition(":")[0]) == ("anna@example.org", "TEST Wache Nord")
    failure = ask(client, gone).json()
    assert (failure["status"], failure["gateway"]) == (4, "email")
    assert "550" in failure["reason"]
    assert "gone@" not in failure["reason"]


def test_an_inactive_device_can_be_tested(own: APIClient, device: Device, sms: Any, http_sink: HttpSink) -> None:
    sms(http_sink.url)
    Device.objects.update(is_active=False)
    assert ask(own, device).json()["status"] == 2
    assert len(http_sink.posts) == 1
    device.refresh_from_db()
    assert not device.is_active


def test_without_a_gateway_for_the_way_it_is_409_and_the_minute_is_not_used_up(
    own: APIClient, device: Device, sms: Any
) -> None:
    sms()
    assert refused(ask(own, device), 409, "sms")
    sms("log:")
    assert ask(own, device).json() == {
        "status": 2,
        "gateway": "log",
        "reason": "",
        "tried": [{"gateway": "log", "reason": ""}],
    }


def test_a_device_is_tested_once_a_minute(own: APIClient, device: Device) -> None:
    before = timezone.now()
    assert ask(own, device).status_code == 200
    device.refresh_from_db()
    assert device.tested_at is not None
    assert device.tested_at >= before
    again = ask(own, device)
    assert refused(again, 429)
    assert 1 <= int(again.headers["Retry-After"]) <= 60
    # Another device has a minute of its own.
    assert ask(own, DeviceFactory(user=device.user)).status_code == 200
    Device.objects.filter(pk=device.pk).update(tested_at=device.tested_at - timedelta(seconds=30))
    later = ask(own, device)
    assert refused(later, 429)
    assert 1 <= int(later.headers["Retry-After"]) <= 30
    Device.objects.filter(pk=device.pk).update(tested_at=device.tested_at - timedelta(minutes=1))
    assert ask(own, device).status_code == 200


def test_a_fault_of_a_gateway_is_logged_and_told_as_a_failure(
    own: APIClient, device: Device, sms: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(ThreadGateway):
        connections = 1

        def send(self, delivery: Delivery) -> None:
            raise RuntimeError("the machine is on fire")

    monkeypatch.setitem(gateways.SCHEMES, "faulty", Faulty)
    sms("faulty://somewhere", "log:")
    assert ask(own, device).json()["tried"] == [
        {"gateway": "faulty", "reason": "RuntimeError"},
        {"gateway": "log", "reason": ""},
    ]
    Device.objects.update(tested_at=None)
    sms("faulty://somewhere")
    answer = ask(own, device)
    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (200, 4, "RuntimeError")
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(logged) == 2
    assert f"device={device.pk}" in logged[0].getMessage()
    assert ADDRESS not in caplog.text


@pytest.mark.parametrize(("number", "status"), [("abc", 400), ("-1", 400), (2**63, 400), (0, 404), (2**63 - 1, 404)])
def test_what_is_no_id_or_no_device_is_refused(own: APIClient, number: object, status: int) -> None:
    assert refused(own.post(f"/api/v1/device/{number}/test"), status, "id: ")


def test_of_a_device_of_somebody_else_nothing_is_known(as_user: AsUser, device: Device) -> None:
    assert refused(ask(as_user(member(OrganizationFactory())), device), 404, "id: ")
    device.refresh_from_db()
    assert device.tested_at is None
