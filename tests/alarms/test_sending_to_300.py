"""The main job with real processes and real servers: 300 people, each reached as their plan says."""

from __future__ import annotations

import hashlib
import hmac
import io
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

from django.core.management import call_command

from escalations.plan import Entry, plan
from organizations.models import Device, Organization, User
from tests import factories
from tests.alarms.conftest import DEFAULT_ESCALATION, GATEWAY_SECRET
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import HttpSink, MailSink

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"
OWN_ESCALATIONS = {
    3: [Entry("sms", 1), Entry("email", 2)],
    6: [Entry("email", 0), Entry("call", 1), Entry("sms", 1)],
    9: [Entry("sms", 1), Entry("sms", 1), Entry("app", 5)],
}


def import_300(folder: Path) -> Organization:
    """Import members with mixed devices in three languages and six groups; some order their escalation themselves."""
    rows = [HEADER]
    for number in range(300):
        email = f"m{number}@example.org" if number % 2 else ""
        app = f"app-{number}" if number % 3 else ""
        pager = f"{120000 + number}" if number % 5 == 0 else ""
        sms = f"+49151{number:07d};+49152{number:07d}" if number % 7 == 0 else f"+49151{number:07d}"
        call = f"+4930{number:07d}" if number % 4 == 0 else ""
        language = ("en", "de", "fr")[number % 3]
        rows.append(f"m{number},Max,Member {number},{email},{language},,Group {number % 6},{app},{pager},{sms},{call}")
    file = folder / "members.csv"
    file.write_text("\n".join(rows))
    call_command("import_members", "Fire brigade", str(file), "--create", stdout=io.StringIO())
    organization = Organization.objects.get(name="Fire brigade")
    for user in User.objects.all():
        if entries := OWN_ESCALATIONS.get(user.pk % 10):
            factories.escalation(user, *entries)
    return organization


def expected() -> dict[tuple[str, str], list[int]]:
    """Return for each way and address when something is to arrive, in seconds after the start."""
    default = [Entry(way, int(delay)) for way, delay in (entry.split(":") for entry in DEFAULT_ESCALATION.split(","))]
    devices: dict[int, list[Device]] = defaultdict(list)
    for device in Device.objects.all():
        devices[device.user_id].append(device)
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for user_id, owned in devices.items():
        for step in plan(OWN_ESCALATIONS.get(user_id % 10, default), {device.way for device in owned}):
            for device in owned:
                if device.way == step.wayofalarm:
                    times[device.way, device.address].append(step.after)
    return times


def arrivals(http_sink: HttpSink, mail_sink: MailSink) -> dict[tuple[str, str], list[float]]:
    """Return for each way and address when something arrived, in seconds since the epoch."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for post in http_sink.posts:
        times[post.json["way"], post.json["address"]].append(post.at)
    for mail in mail_sink.mails:
        times["email", mail.to].append(mail.at)
    return times


def test_each_of_300_gets_exactly_what_their_plan_says_and_the_status_agrees(
    processes: Processes, http_sink: HttpSink, mail_sink: MailSink, tmp_path: Path
) -> None:
    organization = import_300(tmp_path)
    processes.start_all()
    client = Client(processes.url, organization)
    alarm = client.raise_alarm(organization)
    assert alarm["feedbackQuantity"] == {"positive": 0, "negative": 0, "unknown": 300}
    start = datetime.fromisoformat(alarm["startDate"]).timestamp()
    plans = expected()
    total = sum(map(len, plans.values()))
    until(lambda: len(http_sink.posts) + len(mail_sink.mails) >= total, what=f"{total} messages arrive")

    arrived = arrivals(http_sink, mail_sink)
    assert {target: len(times) for target, times in arrived.items()} == {
        target: len(times) for target, times in plans.items()
    }
    report_lateness(plans, arrived, start)

    received = Counter((post.json["userID"], post.json["way"]) for post in http_sink.posts)
    by_address = {device.address: device.user_id for device in Device.objects.filter(way="email")}
    received += Counter((by_address[mail.to], "email") for mail in mail_sink.mails)
    assert reported(client, alarm["id"], organization) == received

    logs = "".join(processes.log(name) for name in ("web", "worker", "sender"))
    assert f"alarm raised: alarm={alarm['id']} " in logs
    assert logs.count("sent: ") == total
    assert "Traceback" not in logs
    assert client.token not in logs
    assert [target for target in plans if target[1] in logs] == [], "an address stands in full in a log"


def report_lateness(
    plans: dict[tuple[str, str], list[int]], arrived: dict[tuple[str, str], list[float]], start: float
) -> None:
    """Fail if anything came before its turn, and print how late the rest was."""
    lateness = [
        (due, at - (start + due))
        for target, dues in plans.items()
        for at, due in zip(arrived[target], dues, strict=True)
    ]
    assert min(late for _due, late in lateness) >= 0, "something left before its turn"
    first = min(late for due, late in lateness if due == 0)
    later = sorted(late for due, late in lateness if due)
    print(
        f"\n{len(lateness)} messages: first {first * 1000:.0f} ms after the start,"
        f" later turns p50 {later[len(later) // 2] * 1000:.0f} ms, max {later[-1] * 1000:.0f} ms after theirs"
    )


def reported(client: Client, alarm_id: int, organization: Organization) -> Counter[tuple[int, str]]:
    """Return how many messages the status says were sent, by user and way; fail if any has another status."""
    found: Counter[tuple[int, str]] = Counter()
    for user_id in User.objects.values_list("pk", flat=True):
        path = f"/messagestatus/{alarm_id}?organization_id={organization.pk}&user_id={user_id}"
        devices = until(lambda path=path: all_sent(client.get(path)["devices"]))
        found.update((user_id, device["type"]) for device in devices)
    return found


def all_sent(devices: list[dict[str, object]]) -> list[dict[str, object]]:
    return devices if all(device["status"] == 2 for device in devices) else []


def test_texts_are_in_the_language_of_the_recipient_and_signed(
    processes: Processes, http_sink: HttpSink, mail_sink: MailSink
) -> None:
    organization = factories.OrganizationFactory(name="Feuerwehr Köln", time_zone="Asia/Kolkata")
    factories.member(organization, ways=("app",), language="en")
    german = factories.member(organization, language="de-AT")
    factories.DeviceFactory(user=german, way="email", address="anton@example.org")
    processes.start("worker", "sender", "web")
    until(processes.healthy)
    client = Client(processes.url, organization)
    alarm = client.raise_alarm(organization)
    until(lambda: http_sink.posts and mail_sink.mails)

    post, mail = http_sink.posts[0], mail_sink.mails[0].message
    assert post.json["text"].startswith("ALARM Feuerwehr Köln: B2\nSmoke in the museum\nPlease answer until ")
    assert (
        post.headers["X-Signature"] == "sha256=" + hmac.digest(GATEWAY_SECRET.encode(), post.body, hashlib.sha256).hex()
    )
    assert post.key.startswith(post.json["messageId"])
    assert post.json["attempt"] == 1
    assert post.json["alarmID"] == alarm["id"]
    assert mail["Subject"] == "ALARM Feuerwehr Köln: B2: Smoke in the museum"
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "Bitte antworten bis " in plain
    assert "Bitte antworten bis " in html
    assert 'name="viewport"' in html
    # Said in the organization's time zone, half an hour off from everybody else's full hours.
    deadline = datetime.fromisoformat(client.get(f"/alarm/{alarm['id']}")["endDate"])
    minutes = (deadline.hour * 60 + deadline.minute + 330) % 1440
    times = {f"{(minutes - early) % 1440 // 60:02d}:{(minutes - early) % 1440 % 60:02d}" for early in (0, 1)}
    assert any(time in plain for time in times)
