"""Any of the services that Apprise knows. Imported only when a URL asks for it: its plugins take long to load."""

from __future__ import annotations

from contextlib import nullcontext
from urllib.parse import quote

import apprise
from apprise.manager_plugins import NotificationManager
from apprise.plugins import url_to_dict
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from alarms import texts
from alarms.delivery import Delivery
from alarms.gateways import apprise_guard, apprise_smpp
from alarms.gateways import apprise_place as place
from alarms.gateways.apprise_log import EAR, failed_with
from alarms.gateways.base import GatewayError, ThreadGateway, is_permanent
from alarms.models import DeviceMessage
from messaging_project import outbound
from organizations.models import Way

PLUGINS = NotificationManager()

# Plugins that talk to the machine they run on: nobody would be reached.
LOCAL = frozenset({"syslog", "dbus", "qt", "kde", "glib", "gio", "gnome", "macosx", "windows", "blink1"})
# Parameters that name a file of the server, which is read and may be sent along.
FILES = frozenset({"keyfile", "subfile", "pgppub"})
# Of these services `template` is one too; of others it is the name of a text that they keep.
TEMPLATES = frozenset({"workflow", "workflows", "discord", "guilded", "slack", "tgram"})
# These have a headline of their own; elsewhere it is the first line of the text.
TITLED = frozenset({Way.APP, Way.EMAIL})
# Services that raise and end alerts of their own go by it.
TYPES = {
    DeviceMessage.Kind.ALARM: apprise.NotifyType.FAILURE,
    DeviceMessage.Kind.ALL_CLEAR: apprise.NotifyType.SUCCESS,
    DeviceMessage.Kind.TEST: apprise.NotifyType.INFO,
}
ADDRESS, ANSWER_URL = "{address}", "{answerURL}"
# Stands for it while a URL is looked at.
SOME_ANSWER_URL = "https://alarm.example/a/0123456789ab"

ASSET = apprise.AppriseAsset(
    app_id="Alarm",
    app_desc="Alarm messaging",
    app_url=settings.BASE_URL,
    # Pictures would be fetched by every phone from where Apprise keeps them.
    image_url_mask="",
    image_url_logo="",
    image_path_mask="",
    # In our own thread and without a time limit of its own: that would send through one small pool shared by all.
    async_mode=False,
    service_timeout=0,
    http_redirects=False,
    # The text stays as it was written.
    interpret_emojis=False,
    interpret_escapes=False,
    # Nothing is kept on disk.
    storage_mode="memory",
    pgp_autogen=False,
    pem_autogen=False,
    language="en",
)


apprise_smpp.put()
apprise_guard.put()


class AppriseGateway(ThreadGateway):
    """Any Apprise URL, in which `{address}` stands for the device's address (contract 7) and `{answerURL}` for that of
    the answer page."""

    connections = 16

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if not url.lower().startswith(f"{self.scheme}://"):
            raise ImproperlyConfigured("a gateway is a URL, such as ntfys://push.example.org/{address}")
        check(self.scheme)
        self.label = str(PLUGINS[self.scheme].service_name)
        if ADDRESS not in url:
            raise ImproperlyConfigured(f"{self.label}: {ADDRESS} is missing, where the address of a device belongs")
        self._without_answer = without_answer(url)
        found = place.find(self._looked_at)
        if found is None:
            reason = "the URL cannot be read, or an address would reach nobody in the place of {address}"
            raise ImproperlyConfigured(f"{self.label}: {reason}")
        self._place = found
        self.reads_files = reads_files(url, self.scheme)

    def _looked_at(self, address: str) -> apprise.NotifyBase | None:
        return self._plugin(address, SOME_ANSWER_URL)

    def _plugin(self, address: str, answer_url: str) -> apprise.NotifyBase | None:
        """Return what sends to one address; None where Apprise makes nothing of it."""
        url = self.url if answer_url else self._without_answer
        try:
            url = url.replace(ADDRESS, quote(address, safe="")).replace(ANSWER_URL, quote(answer_url, safe=""))
            plugin = apprise.Apprise.instantiate(url, asset=ASSET)
        except Exception:
            # Plugins stumble over addresses in their own ways.
            return None
        return None if plugin is None else tamed(plugin)

    def send(self, delivery: Delivery) -> None:
        looked_at = self._looked_at(delivery.address)
        plugin = self._plugin(delivery.address, delivery.answer_url)
        if looked_at is None or plugin is None or not self._place.holds(looked_at, delivery.address):
            raise GatewayError(f"{self.label}: the address is not valid", permanent=True, asked=False)
        service = apprise.Apprise(asset=ASSET)
        service.add(plugin)
        title, body = composed(delivery)
        # Those of the service may go wherever whoever runs it wants.
        with EAR.listening() as heard, apprise_guard.guarded() if self.guarded else nullcontext() as guard:
            done = service.notify(
                title=title,
                body=body,
                body_format=apprise.NotifyFormat.TEXT,
                notify_type=TYPES[DeviceMessage.Kind(delivery.kind)],
            )
        if not done and guard is not None and guard.refused:
            raise GatewayError(f"{self.label}: {outbound.REFUSED}", permanent=True)
        if not done:
            raise self._failure(failed_with(heard))

    def _failure(self, status: int | None) -> GatewayError:
        """Return what a failure means. Nothing else of it is repeated, as it may hold an address or a secret."""
        if status is None:
            return GatewayError(f"{self.label}: not taken", permanent=False)
        if not status:
            return GatewayError(f"{self.label}: no connection or no answer", permanent=False)
        return GatewayError(f"{self.label}: HTTP {status}", permanent=is_permanent(status))


def check(scheme: str) -> None:
    """Raise ImproperlyConfigured for a scheme that nothing can be sent with."""
    if scheme not in PLUGINS:
        raise ImproperlyConfigured(f"no gateway has the scheme {scheme!r}; docs/gateways.md names those that there are")
    if scheme in LOCAL:
        raise ImproperlyConfigured(f"{scheme}: reaches nobody but this machine")
    if not PLUGINS[scheme].enabled:
        missing = PLUGINS[scheme].requirements.get("packages_required")
        raise ImproperlyConfigured(f"{scheme}: needs a library that is not installed: {missing}")


def tamed(plugin: apprise.NotifyBase) -> apprise.NotifyBase:
    """Return a plugin that leaves to us what we do ourselves, whatever its URL says: how long to wait, how often to
    try, whether a failure is one; and that goes nowhere but where it was sent."""
    plugin.socket_connect_timeout = plugin.socket_read_timeout = float(settings.GATEWAY_TIMEOUT)
    plugin.request_rate_per_sec = 0
    plugin.retry = 0
    plugin.optional = False
    plugin.redirects = False
    # Some wait here for as long as a service asks for.
    setattr(plugin, "throttle", lambda *_args, **_options: None)  # noqa: B010
    return plugin


def reads_files(url: str, scheme: str) -> bool:
    asked = (url_to_dict(url) or {}).get("qsd", {}).keys()
    return bool(FILES & asked) or (scheme in TEMPLATES and "template" in asked)


def without_answer(url: str) -> str:
    """Return a URL for what needs no answer: without the parameters that hold ANSWER_URL, such as the buttons of
    ntfy."""
    place_, _question, query = url.partition("?")
    kept = "&".join(parameter for parameter in query.split("&") if ANSWER_URL not in parameter)
    return f"{place_}?{kept}" if kept else place_


def composed(delivery: Delivery) -> tuple[str, str]:
    """Return title and body."""
    if delivery.way in TITLED:
        title, body = texts.titled(delivery)
        return " ".join(title.split()), body
    return "", texts.plain(delivery) if delivery.way == Way.CALL else texts.written(delivery)
