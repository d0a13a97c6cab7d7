"""What /metrics tells of real processes: as much as the gateways got, whoever dies and whatever holds counters up."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from http import HTTPStatus

import pytest
from django.db import connection, transaction

from tests import factories
from tests.alarms.scraped import Scraped, Series, scrape_at
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import HttpSink, answers

MEMBERS = 3
REFUSING = "+4930555"


class Watched:
    """A service whose counters never fall from one look to the next."""

    def __init__(self, processes: Processes, sink: HttpSink) -> None:
        self._url, self._sink = processes.url, sink
        self._last = scrape_at(self._url)

    def scrape(self) -> Scraped:
        found = scrape_at(self._url)
        found.since(self._last)
        self._last = found
        return found

    def agrees(self) -> Scraped | None:
        """Return what is told if it is what the gateways got."""
        found = self.scrape()
        got = self.got()
        return found if {series: found[series] for series in got} == got else None

    def got(self) -> dict[Series, float]:
        posts = Counter(post.json["way"] for post in self._sink.posts)
        refused = len(self._sink.of(REFUSING))
        took = posts - Counter(sms=refused)
        return {
            **{("alarm_device_messages_total", "sending", way): posts[way] for way in ("app", "sms")},
            **{("alarm_device_messages_total", "sent", way): took[way] for way in ("app", "sms", "call")},
            **{("alarm_due_to_sent_seconds_count", way): took[way] for way in ("app", "sms")},
            ("alarm_device_messages_total", "failed", "sms"): refused,
            ("alarm_gateway_errors_total", "refused", "sms"): refused,
        }


def test_the_counters_agree_with_what_the_gateways_got(processes: Processes, http_sink: HttpSink) -> None:
    organization = factories.OrganizationFactory()
    users = [factories.member(organization, ways=("app", "sms")) for _member in range(MEMBERS)]
    users[0].devices.filter(way="sms").update(address=REFUSING)
    http_sink.behaviours[REFUSING] = answers(400)
    processes.start_all()
    watched, client = Watched(processes, http_sink), Client(processes.url, organization)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(
            urllib.request.Request(f"{processes.url}/metrics", headers={"X-Forwarded-For": "127.0.0.1"}), timeout=10
        )
    with refused.value as error:
        assert (error.code, error.headers["Content-Type"]) == (HTTPStatus.FORBIDDEN, "application/json")

    alarm = client.raise_alarm(organization)
    until(lambda: len(http_sink.posts) == MEMBERS, what="the first turn")
    with transaction.atomic(), connection.cursor() as cursor:
        # Nobody can count meanwhile: the second turn goes out all the same.
        cursor.execute("LOCK TABLE alarms_counterincrement IN ACCESS EXCLUSIVE MODE")
        until(lambda: len(http_sink.posts) == 2 * MEMBERS, what="the second turn")
    assert client.answer(alarm["id"], users[0].pk, True) == HTTPStatus.OK
    found = until(watched.agrees, what="what was held up is counted")
    assert found["alarm_healthy"] == found["alarm_alarms_raised_total"] == found["alarm_senders"] == 1
    assert found["alarm_workers"] >= 1
    assert found["alarm_feedback_total", "positive"] == 1
    assert 0 < found["alarm_due_to_sent_seconds_sum", "app"] < 60 * MEMBERS

    processes.kill("sender")
    processes.start("sender")
    client.raise_alarm(organization)
    until(lambda: len(http_sink.posts) == 4 * MEMBERS, what="the second alarm")
    found = until(watched.agrees, what="the second sender's are added")
    assert found["alarm_device_messages_total", "scheduled", "sms"] == 2 * MEMBERS
    assert client.request("PATCH", f"/alarm/{alarm['id']}")[0] == HTTPStatus.OK
    found = watched.scrape()
    assert (found["alarm_alarms_closed_total"], found["alarm_alarms_open"]) == (1, 1)
    assert "Traceback" not in processes.log("sender")
