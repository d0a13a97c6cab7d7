"""Apprise URLs in the settings: what cannot work is told at the start, and nobody pays for what is not used."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.checks import run_checks

from alarms import gateways
from alarms.gateways.apprise import AppriseGateway
from tests.processes import ROOT

SECRET = "s3cr3t0123456789s3cr3t0123456789"


def told(settings: Any, url: str) -> list[str]:
    settings.GATEWAYS = settings.GATEWAYS | {"app": ["log:", url]}
    return [str(found.msg) for found in run_checks() if found.id == "alarms.E001"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"carrier-pigeon://{SECRET}@roof/{{address}}", "no gateway has the scheme 'carrier-pigeon'; "),
        (f"apprise:{SECRET}/{{address}}", "a gateway is a URL, such as "),
        ("I", "a gateway is a URL, such as "),
        (f"ntfys://{SECRET}@push.example.org/topic", "ntfy: {address} is missing, "),
        # It stands where nobody looks for it,
        (f"ntfys://{SECRET}@push.example.org/topic?note={{address}}", "ntfy: the URL cannot be read, or "),
        (f"discord://123456789012345678/{SECRET}/{{address}}", "Discord: the URL cannot be read, or "),
        # or where nothing of its kind belongs,
        (f"gotifys://gotify.example.org:{{address}}/{SECRET}", "Gotify: the URL cannot be read, or "),
        (f"jsons://alarm:{SECRET}@{{address}}/alarm", "JSON: the URL cannot be read, or "),
        # or what else belongs there is missing or wrong.
        (f"twilio://{SECRET}@+493012345678/{{address}}", "Twilio: the URL cannot be read, or "),
        (f"twilio://{SECRET}:{SECRET}@alarm/{{address}}", "Twilio: the URL cannot be read, or "),
        (f"pover://{{address}}@{SECRET}?priority=emergency&interval=1", "Pushover: the URL cannot be read, or "),
        (f"syslog://{SECRET}/{{address}}", "syslog: reaches nobody but this machine"),
        (f"dbus://{SECRET}/{{address}}", "dbus: reaches nobody but this machine"),
        (f"windows://{SECRET}/{{address}}", "windows: reaches nobody but this machine"),
        (f"mqtts://alarm:{SECRET}@mqtt.example.org/{{address}}", "mqtts: needs a library that is not installed: paho-"),
        (f"xmpps://alarm:{SECRET}@example.org/{{address}}", "xmpps: needs a library that is not installed: slixmpp"),
    ],
)
def test_what_cannot_work_is_told_at_the_start_without_its_secrets(
    settings: Any, capfd: pytest.CaptureFixture[str], url: str, reason: str
) -> None:
    (message,) = told(settings, url)
    assert message.startswith(f"GATEWAY_APP: {reason}")
    assert SECRET not in message + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("url", "label"),
    [
        # The address may be a topic, a token, a key, a chat, a room, a number, a channel, or a part of a path.
        ("ntfys://push.example.org/{address}", "ntfy"),
        ("gotifys://gotify.example.org/{address}", "Gotify"),
        (f"pover://{{address}}@{SECRET}", "Pushover"),
        ("tgram://123456789:AAEhBOweik9ad9r_QXMENQjcrGbqCr4K-bc/{address}", "Telegram"),
        (f"matrixs://{SECRET}@matrix.example.org/{{address}}", "Matrix"),
        (f"seven://{SECRET}/{{address}}", "seven"),
        (f"slack://xoxb-1234-1234-{SECRET}/{{address}}", "Slack"),
        ("discord://123456789012345678/{address}", "Discord"),
        ("jsons://hook.example.org/{address}", "JSON"),
        ("jsons://hook.example.org/?:to={address}", "JSON"),
        ("JSONS://hook.example.org/?+Authorization=Bearer%20{address}", "JSON"),
        (f"mailtos://alarm:{SECRET}@example.org/{{address}}", "E-Mail"),
        ("prowl://{address}", "Prowl"),
    ],
)
def test_what_can_work_is_called_by_the_name_of_its_service(settings: Any, url: str, label: str) -> None:
    assert told(settings, url) == []
    assert [gateway.label for gateway in gateways.of_way("app")] == ["log", label]


@pytest.mark.parametrize(
    ("url", "reads"),
    [
        ("tgram://123456789:AAEhBOweik9ad9r_QXMENQjcrGbqCr4K-bc/{address}", False),
        ("tgram://123456789:AAEhBOweik9ad9r_QXMENQjcrGbqCr4K-bc/{address}?template=/etc/passwd", True),
        ("slack://xoxb-1234-1234-0123456789/{address}?%54emplate=/etc/passwd", True),
        ("fcm://project/{address}?keyfile=/etc/passwd", True),
        ("mailtos://alarm:pw@example.org/{address}?pgppub=/etc/passwd", True),
        ("whatsapp://alarm:0123456789abcdef@123456789012345/{address}?template=alarm", False),
        ("jsons://hook.example.org/{address}?:keyfile=x&-template=y", False),
    ],
)
def test_it_is_known_which_gateways_read_files_of_the_server(url: str, reads: bool) -> None:
    gateway = gateways.build(url)
    assert isinstance(gateway, AppriseGateway)
    assert gateway.reads_files is reads


LOADED = """
import os, sys
import django
django.setup()
from django.core.checks import run_checks
print(run_checks(), "apprise" in sys.modules)
"""


@pytest.mark.parametrize(("url", "loaded"), [("log: email: https://g.example/", False), ("gotify://g/{address}", True)])
def test_the_plugins_are_loaded_only_where_a_url_asks_for_one(url: str, loaded: bool) -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "messaging_project.settings", "GATEWAY_APP": url}
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"[] {loaded}\n", done.stderr
