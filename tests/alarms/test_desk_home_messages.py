"""The home of the admin: the messages that left, and those that failed."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from organizations.models import User
from tests.alarms.desk_home import FAILED, ago, mine
from tests.factories import AlarmMessageFactory, DeviceMessageFactory

pytestmark = pytest.mark.django_db


def minutes(client: Client) -> list[tuple[int, int]]:
    """Return the numbers of the table, the newest minute first."""
    page = client.get(reverse("home-fragment")).content.decode()
    table = page.partition('<table class="home-minutes">')[2].partition("</table>")[0]
    return [(int(sent), int(failed)) for sent, failed in re.findall(r"<td>(\d+)</td><td>(\d+)</td>", table)]


def test_the_chart_counts_what_was_sent_and_what_failed_in_each_minute(admin_client: Client) -> None:
    recipient = AlarmMessageFactory()
    DeviceMessageFactory.create_batch(2, alarm_message=recipient, status=2, sent_at=ago(minutes=20))
    DeviceMessageFactory(alarm_message=recipient, status=3, sent_at=ago(minutes=20))
    DeviceMessageFactory(alarm_message=recipient, status=4, changed_at=ago(minutes=10))
    DeviceMessageFactory(alarm_message=recipient, status=2, sent_at=ago(minutes=61))
    DeviceMessageFactory(alarm_message=recipient, status=4, changed_at=ago(minutes=61))
    DeviceMessageFactory(alarm_message=recipient, status=0)
    assert minutes(admin_client) == [(0, 1), (3, 0)]
    text = mine(admin_client, "Messages a minute in the last hour")
    assert text.strip().startswith("3 sent 1 failed")
    assert re.search(r"Busiest minute: \d\d:\d\d, 3 sent and 0 failed\.", text)


def test_the_bars_of_the_chart_are_as_high_as_its_scale_says(admin_client: Client) -> None:
    recipient = AlarmMessageFactory()
    DeviceMessageFactory.create_batch(4, alarm_message=recipient, status=2, sent_at=ago(minutes=20))
    DeviceMessageFactory(alarm_message=recipient, status=4, changed_at=ago(minutes=20))
    page = admin_client.get(reverse("home-fragment")).content.decode()
    assert "<span>10</span><span>0</span>" in page
    drawn = dict(re.findall(r'<rect class="home-(\w+)"[^>]* y="([\d.]+)"', page))
    heights = dict(re.findall(r'<rect class="home-(\w+)"[^>]* height="([\d.]+)"', page))
    assert drawn == {"sent": "60.00", "failed": "50.00"}
    assert heights == {"sent": "40.00", "failed": "10.00"}


def test_an_hour_without_messages_is_said_in_words(admin_client: Client) -> None:
    assert "Nothing was sent in the last hour" in mine(admin_client, "Messages a minute in the last hour")


def test_the_newest_failed_messages_are_shown_with_whom_and_why(admin_client: Client) -> None:
    recipient = AlarmMessageFactory(alarm__event_name="B3 Museum", user__first_name="Erna", user__last_name="Einsatz")
    for number in range(8):
        DeviceMessageFactory(
            alarm_message=recipient, status=FAILED, changed_at=ago(hours=number), reason=f"HTTP 40{number}"
        )
    DeviceMessageFactory(alarm_message=recipient, status=FAILED, changed_at=ago(hours=25), reason="long ago")
    text = mine(admin_client, "Failed messages of the last 24 hours")
    assert "8 failed" in text
    assert re.findall(r"HTTP 40\d", text) == [f"HTTP 40{number}" for number in range(6)]
    assert "long ago" not in text
    assert "Erna Einsatz" in text
    assert "B3 Museum" in text


@pytest.mark.parametrize(
    ("language", "reason", "words"),
    [
        ("en", "receipt: failed", "a receipt says that it failed"),
        ("de", "receipt: failed", "laut Quittung fehlgeschlagen"),
        ("en", "its way has no gateway any more", "its way of alarm has no gateway any more"),
        ("de", "erased", "mit dem Empfänger anonymisiert"),
        ("de", "HTTP 404: not found", "HTTP 404: not found"),
    ],
)
def test_what_the_service_gives_as_a_reason_is_said_in_words_and_what_a_gateway_says_as_it_is(
    admin_client: Client, admin_user: User, language: str, reason: str, words: str
) -> None:
    User.objects.filter(pk=admin_user.pk).update(language=language)
    DeviceMessageFactory(status=FAILED, changed_at=timezone.now(), reason=reason)
    page = admin_client.get(reverse("home-fragment"), headers={"Accept-Language": language}).content.decode()
    [why] = re.findall(r'<td class="home-reason"[^>]*><span>(.*?)</span>', page)
    assert why == words


def test_the_failed_messages_lead_to_the_list_of_all_that_failed(admin_client: Client) -> None:
    failed = DeviceMessageFactory(status=FAILED, changed_at=timezone.now(), device_name="a broken pager")
    DeviceMessageFactory(status=2, sent_at=timezone.now(), device_name="a good phone")
    page = admin_client.get(reverse("admin:index")).content.decode()
    [address] = re.findall(r'href="([^"]*devicemessage[^"]*status[^"]*)"', page)
    answer = admin_client.get(html.unescape(address))
    assert answer.status_code == 200
    assert failed.device_name in answer.content.decode()
    assert "a good phone" not in answer.content.decode()
