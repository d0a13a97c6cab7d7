"""Where hooks and gateways of organizations may lead: not to what only the service can reach (SSRF)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from alarms.gateways import owned
from alarms.models import Hook, OrganizationGateway
from messaging_project import outbound
from messaging_project.network_settings import networks
from organizations.models import Organization
from tests.alarms.hooks import hook_at
from tests.dialect import refused

PUBLIC = ["9.9.9.9", "193.99.144.80", "2620:fe::fe", "2a02:2e0:3fe:1001::1", "::ffff:9.9.9.9", "64:ff9b::9.9.9.9"]
PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.7", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    # The metadata of clouds, carriers' own, benchmarks, documentation, protocols, multicast, reserved, everybody.
    *("169.254.169.254", "100.64.0.1", "100.127.255.255", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
    *("192.0.0.8", "192.0.0.192", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    *("::", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
    *("3fff::1", "5f00::1", "4000::1", "2001::1", "2001:0:53aa:64c:0:fbff:f5ff:fff8"),
    # Addresses of IPv4, written as ones of IPv6.
    *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.7", "::127.0.0.1", "64:ff9b::10.0.0.7", "64:ff9b:1::1"),
    *("2002:7f00:1::1", "2002:c0a8:101::1", "2002:a00:7::"),
]
# How else an address can be written, and what always is this machine.
INSIDE = [
    *("127.0.0.1", "127.1", "127.0.0.1.", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0", "10.7"),
    *("3232235777", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[fe80::1]", "[0:0:0:0:0:ffff:7f00:1]", "[fd00::5]"),
    *("169.254.169.254", "192.168.1.1", "localhost", "LocalHost", "localhost.", "db.localhost"),
]
NAMES = ["dispatch.example", "localhost.example", "my_service", "10.0.0.7.example", "9.9.9.9", "[2620:fe::fe]"]
HOOKS = "/api/v1/hooks"


@pytest.fixture(autouse=True)
def nothing_is_allowed(settings: Any) -> None:
    settings.ALLOWED_NETWORKS = []


def test_what_is_not_public_is_refused() -> None:
    assert [address for address in PRIVATE if outbound.is_allowed(address)] == []
    assert [address for address in PUBLIC if outbound.is_allowed(address)] == PUBLIC


@pytest.mark.parametrize(
    ("given", "inside", "outside"),
    [
        (["10.0.0.0/8"], ["10.0.0.7", "::ffff:10.0.0.7", "64:ff9b::a00:7", "9.9.9.9"], ["172.16.0.1", "::1"]),
        (["192.168.1.1", "fd00::/8"], ["192.168.1.1", "fd12:3456::1"], ["192.168.1.2", "fe80::1"]),
        # A 6to4 address leads to both.
        (["2002::/16"], ["2002:909:909::1"], ["2002:a00:7::1"]),
        (["2002::/16", "10.0.0.0/8"], ["2002:a00:7::1"], ["2002:7f00:1::1", "172.16.0.1"]),
        (["*"], ["127.0.0.1", "::1", "169.254.169.254", "255.255.255.255", "9.9.9.9"], []),
        (["0.0.0.0/0", "::/0"], ["127.0.0.1", "::1", "fe80::1%lo"], []),
        ([], ["9.9.9.9"], ["127.0.0.1", "::1"]),
    ],
)
def test_the_networks_of_the_setting_are_allowed_beside(
    settings: Any, given: list[str], inside: list[str], outside: list[str]
) -> None:
    settings.ALLOWED_NETWORKS = networks("ALLOWED_NETWORKS", given)
    assert [address for address in inside if not outbound.is_allowed(address)] == []
    assert [address for address in outside if not outbound.is_refused(address)] == []


@pytest.mark.parametrize("given", ["10.0.0.1/8", "10.0.0.0/33", "intranet", "10.0.0.0-9", "**", "fd00::/8/8", ""])
def test_a_setting_that_names_no_network_is_told_at_the_start(given: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"\AALLOWED_NETWORKS: .*10\.0\.0\.0/8"):
        networks("ALLOWED_NETWORKS", ["192.168.0.0/16", given])


@pytest.mark.django_db
def test_a_hook_that_leads_inside_is_refused_at_once(brigade: Organization, boss: APIClient) -> None:
    hook = hook_at("https://dispatch.example/", brigade)
    for host in INSIDE:
        url = f"http://{host}:8000/alarms"
        body = {"organizationID": brigade.pk, "url": url, "events": ["alarm.raised"]}
        answer = boss.post(HOOKS, body, format="json")
        assert refused(answer, 400, "url"), host
        assert "private address" in answer.json()["error"]
        assert refused(boss.patch(f"{HOOKS}/{hook.pk}", {"url": url}, format="json"), 400, "url")
    assert [hook.url for hook in Hook.objects.all()] == ["https://dispatch.example/"]


@pytest.mark.django_db
def test_a_hook_at_a_name_or_a_public_address_is_taken_and_nothing_is_looked_up(
    brigade: Organization, boss: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(host: str, *_rest: object, flags: int = 0, **_others: object) -> Any:
        assert flags == outbound.socket.AI_NUMERICHOST, f"{host} is looked up"
        return lookup(host, *_rest, flags=flags, **_others)

    lookup = outbound.socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", unwanted)
    for host in NAMES:
        body = {"organizationID": brigade.pk, "url": f"http://{host}/alarms", "events": ["alarm.raised"]}
        assert boss.post(HOOKS, body, format="json").status_code == 201, host


@pytest.mark.django_db
def test_in_the_admin_a_hook_that_leads_inside_is_an_error_of_its_field(
    admin_client: Client, brigade: Organization
) -> None:
    form = {"organization": brigade.pk, "url": "http://127.1/", "events": ["alarm.raised"], "is_active": "on"}
    answer = admin_client.post(reverse("admin:alarms_hook_add"), form)
    assert answer.context["adminform"].form.errors == {"url": ["Its host is a private address, which is not allowed."]}
    assert not Hook.objects.exists()
    # One that was registered while it was allowed can still be paused.
    hook = hook_at("http://127.1/", brigade, events=["alarm.raised"])
    page = reverse("admin:alarms_hook_change", args=[hook.pk])
    assert admin_client.post(page, {"url": hook.url, "events": ["alarm.raised"]}).status_code == 302
    assert not Hook.objects.get().is_active


OWN = [
    *(f"https://user:hunter2@{host}/sms?token=hunter2" for host in INSIDE if "." in host or ":" in host),
    *("http://localhost:8000/sms", "twilio+sms://AC1:hunter2@127.0.0.1:8000/+4930?scheme=http"),
    *("json://user:hunter2@127.0.0.1/{address}", "gotify://127.0.0.1/{address}"),
    *("smpp://alarm:hunter2@10.0.0.7:2775/493012345678/{address}", "ntfy://localhost/{address}"),
]


@pytest.mark.django_db
def test_a_gateway_of_an_organization_that_leads_inside_is_refused_at_once(brigade: Organization) -> None:
    for url in OWN:
        with pytest.raises(ValidationError) as error:
            owned.bring(organization=brigade, way="sms", urls=f"https://sms.example/ {url}")
        assert error.value.messages == ["Gateway 2: its host is a private address, which is not allowed."], url


@pytest.mark.django_db
def test_in_the_admin_such_a_gateway_is_an_error_of_its_field(admin_client: Client, brigade: Organization) -> None:
    form = {"organization": brigade.pk, "way": "sms", "new_urls": "http://user:hunter2@127.0.0.1/"}
    answer = admin_client.post(reverse("admin:alarms_organizationgateway_add"), form)
    assert set(answer.context["adminform"].form.errors) == {"new_urls"}
    assert not OrganizationGateway.objects.exists()


@pytest.mark.django_db
def test_what_is_a_number_and_no_host_is_no_address(brigade: Organization, settings: Any) -> None:
    # Apprise has numbers and names of accounts where others have a host.
    urls = [
        "twilio://AC0123456789abcdef0123456789abcdef:hunter2@+493012345678/{address}",
        "tgram://123456789:AAEhBOweik9ad9r_QXMENQjcrGbqCr4K-bc/{address}",
    ]
    owned.bring(organization=brigade, way="sms", urls=" ".join(urls))
    settings.ALLOWED_NETWORKS = [ip_network("10.0.0.0/8")]
    owned.bring(organization=brigade, way="call", urls="https://10.0.0.7/call")
    assert OrganizationGateway.objects.count() == 2
