"""docs/api.md: every example of it is run in its order, and answers what is printed below it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from alarms.gateways import owned
from alarms.inbound.reading_answers import NO, NO_ALONE, YES, YES_ALONE
from messaging_project.errors import MESSAGES
from messaging_project.openapi import DOCUMENT
from organizations.models import Organization
from tests.alarms.hooks import HookSink, hook_sink
from tests.client import Client
from tests.messaging_project.api_page import (
    NO_BODY,
    PAGE,
    PYTHON,
    SETUP,
    Example,
    arrivals,
    differences,
    examples,
    read_as,
)
from tests.processes import ROOT, Processes, service, until
from tests.sinks import HttpSink, answers
from tests.twilio import TOKEN, ask_over_http, sign

# Where the page says that the service is, in what it tells others.
BASE_URL = "http://localhost:8000"
SECRET = "a-secret-of-the-gateways"
# What the page prints of a message in place of what is made up anew each time, and where it stands in the log.
SAMPLES = {
    "4k7m9p2r5t8w": re.compile(r"sms to Carla's sms .* \S+/a/(\w{12}) alarm=3 "),
    "1abf9d3a-656f-4f72-aadb-fc1647655096-31": re.compile(
        r"sent: sms to \S+03 alarm=3 message=(\S+) device_message=(\d+) "
    ),
}
EVENT = re.compile(r"^\| `([\w.]+)` \| `(\{.+\})` \|$", re.MULTILINE)
WORDS = re.compile(r"^\| (coming|not coming) \| (.+) \| (.+) \|$", re.MULTILINE)
# Each command prints the answer and, in a last line, its status.
CURL = "curl() { command curl --silent --show-error --write-out '\\n%{http_code}' \"$@\"; }"
# Whoever programs against the API has openssl; a machine that runs the tests may have nothing but Python.
OPENSSL = f"""command -v openssl > /dev/null || openssl() {{
  {sys.executable} -c 'import hmac, sys
print(hmac.new(sys.argv[4].encode(), sys.stdin.buffer.read(), "sha256").hexdigest(), "*stdin")' "$@"
}}"""
# How the inbox calls what went wrong (contract 6).
INBOX_CODES = {
    400: "INVALIDDATA",
    401: "AUTHREQUIRED",
    403: "PERMISSION",
    404: "NOTFOUND",
    405: "INVALIDDATA",
    413: "INVALIDDATA",
    415: "INVALIDDATA",
    429: "FAILURE",
    500: "FAILURE",
    503: "MAINTENANCEMODE",
}
# Seconds within which a GET answers what is printed: planning and sending go on after the alarm is raised.
PATIENCE = 60.0


class Newcomer:
    """Runs examples in a shell in which the page's variables are set; what they write is in `folder`."""

    def __init__(self, setup: str, folder: Path, processes: Processes, **variables: str) -> None:
        for name, value in variables.items():
            setup, count = re.subn(rf"^{name}=.*$", f"{name}={value}", setup, flags=re.MULTILINE)
            assert count == 1, f"the page does not say what {name} is"
        self._setup = setup
        self._folder = folder
        self._processes = processes
        self.secrets: list[str] = []

    def run(self, command: str) -> tuple[int, Any]:
        """Return status and JSON, or NO_BODY."""
        script = f"{CURL}\n{OPENSSL}\n{self._setup}{command}"
        done = subprocess.run(
            ["bash", "-euc", script], cwd=self._folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        body, _newline, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if body else NO_BODY

    def ask_as_twilio(self, request: str) -> tuple[int, Any]:
        """Send what Twilio would, signed as it would; return status and XML, or NO_BODY."""
        head, _empty, body = request.partition("\n\n")
        target, form = head.removeprefix("POST "), dict(parse_qsl(body.strip(), strict_parsing=True))
        signature = sign(f"{BASE_URL}{target}", form)
        refused, _error = ask_over_http(f"{self._processes.url}{target}", form, signature=signature[::-1])
        assert refused == 401
        status, content = ask_over_http(f"{self._processes.url}{target}", form, signature=signature)
        return status, read_as("http", content.decode()) if content else NO_BODY

    def follow(self, example: Example) -> list[str]:
        """Return what is wrong with an example; a GET is asked again while that may still come right."""
        text = self._filled(example.text)
        deadline = time.monotonic() + PATIENCE
        while True:
            status, answer = self.ask_as_twilio(text) if example.kind == "http" else self.run(text)
            wrong = [] if status == example.status else [f"{example.status} is printed, {status} came"]
            wrong += differences(example.answer, answer)
            if not wrong or example.request[0] != "GET" or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if isinstance(answer, dict) and "secret" in answer:
            self.secrets.append(answer["secret"])
        return wrong

    def _filled(self, text: str) -> str:
        """Return an example with what was made up this time."""
        for sample, pattern in SAMPLES.items():
            if sample in text:
                found = until(lambda pattern=pattern: pattern.search(self._processes.log("sender")), what=sample)
                text = text.replace(sample, "-".join(found.groups()))
        return text


def first_start(processes: Processes) -> tuple[str, str]:
    """Load the demo organization and raise the demo alarm, as `make run` does; return the tokens that it prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare_service"],
        cwd=ROOT,
        env=processes.environment | {"BIND": f"127.0.0.1:{processes.port}"},
        capture_output=True,
        text=True,
        check=True,
    )
    api_token, personal_token = re.findall(r"^  (ga_\S+)$", done.stdout, re.MULTILINE)
    return api_token, personal_token


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_every_example_answers_what_the_page_prints(tmp_path: Path) -> None:
    page = PAGE.read_text()
    environment = {
        "GATEWAY_DEFAULT": "log:", "BASE_URL": BASE_URL, "GATEWAY_SECRET": SECRET, "TWILIO_AUTH_TOKEN": TOKEN,
    }  # fmt: skip
    with hook_sink() as sink, service(tmp_path, **environment) as processes:
        processes.start_all()
        token, user_token = first_start(processes)
        variables = {"URL": processes.url, "TOKEN": token, "USER_TOKEN": user_token, "GATEWAY_SECRET": SECRET}
        hook = sink.url.replace("127.0.0.1", "localhost") + "/alarms"
        newcomer = Newcomer(SETUP.findall(page)[0], tmp_path, processes, HOOK=hook, **variables)
        for example in examples(page):
            wrong = newcomer.follow(example)
            assert not wrong, "\n".join([example.text, *wrong])
        hooks_were_told_what_the_page_prints(page, sink, newcomer)
        provoke_failures(processes, hook, sink)
        for name, data in EVENT.findall(page):
            told = next(post.json["data"] for post in sink.posts if post.json["event"] == name)
            assert list(differences(json.loads(data), told)) == []
        logs = "".join(processes.log(name) for name in ("web", "worker", "sender"))
    assert "Traceback" not in logs


def hooks_were_told_what_the_page_prints(page: str, sink: HookSink, newcomer: Newcomer) -> None:
    """Compare with what came, whose signatures are looked at as the page does it."""
    (arrival,), (snippet,), (secret,) = arrivals(page), PYTHON.findall(page), newcomer.secrets
    program: dict[str, Any] = {}
    exec(snippet, program)  # noqa: S102 - ours
    for post in sink.posts:
        signature = post.headers["X-Signature"]
        assert program["is_ours"](post.body, signature, secret)
        assert not program["is_ours"](post.body + b" ", signature, secret)
        assert not program["is_ours"](post.body, signature, secret[::-1])
    came = sink.posts[0]
    assert came.path == arrival.path
    assert list(differences(arrival.json, came.json)) == []
    assert list(differences(arrival.headers, {name: came.headers[name] for name in arrival.headers})) == []


def provoke_failures(processes: Processes, hook: str, told: HookSink) -> None:
    """Have a message fail and a time run out, of which the page tells only."""
    organization = Organization.objects.get()
    client, pagers = Client(processes.url, organization), HttpSink()
    try:
        pagers.behaviours["1204711"] = answers(400)
        owned.bring(organization=organization, way="pager", urls=pagers.url)
        events = [name for name, _data in EVENT.findall(PAGE.read_text())]
        body = {"organizationID": organization.pk, "url": hook, "events": events}
        assert client.request("POST", "/hooks", body)[0] == 201
        assert client.request("PUT", f"/organization/{organization.pk}/timeout", {"timeout": 10})[0] == 200
        client.raise_alarm(organization, users=[2])
        until(lambda: {post.json["event"] for post in told.posts} >= set(events), what="every event")
    finally:
        pagers.close()


def test_every_operation_of_the_document_has_an_example() -> None:
    requests = [example.request for example in examples(PAGE.read_text())]
    missing = [
        operation["operationId"]
        for path, operations in json.loads(DOCUMENT.read_text())["paths"].items()
        for method, operation in operations.items()
        if not any(asked == method.upper() and re.fullmatch(pattern_of(path), at) for asked, at in requests)
    ]
    assert missing == []


def pattern_of(path: str) -> str:
    """Return what an example of a path looks like; ids are numbers, a code is a sample of one."""
    return re.sub(r"\{\w+\}", r"\\d+", path.replace("{code}", f"({'|'.join(SAMPLES)})"))


def test_the_page_names_the_addresses_that_twilio_asks() -> None:
    named = re.findall(r"^\| .+ \| `BASE_URL/api/v1(/\S+)` \|$", PAGE.read_text(), re.MULTILINE)
    paths = json.loads(DOCUMENT.read_text())["paths"]
    # What else Twilio asks, the service has told it with the message or call.
    told = [path for path in paths if path.startswith("/inbound/twilio/") and not path.endswith(("/status", "{code}"))]
    assert sorted(named) == sorted(told)


def test_the_page_tells_the_words_that_answer() -> None:
    told = {
        said: tuple(set(re.findall(r"`(.+?)`", words)) for words in columns)
        for said, *columns in WORDS.findall(PAGE.read_text())
    }
    assert told == {"coming": (YES, YES_ALONE), "not coming": (NO, NO_ALONE)}


def test_the_page_tells_when_each_status_of_an_error_comes() -> None:
    told = re.findall(r"^\| (\d{3}) \|", PAGE.read_text(), re.MULTILINE)
    assert told == [str(status) for status in sorted(MESSAGES)]


def test_the_page_tells_what_the_inbox_calls_each_error() -> None:
    told = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {int(status): code for status, code in told} == INBOX_CODES
