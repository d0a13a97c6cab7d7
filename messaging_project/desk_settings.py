"""How the admin looks: its name, its colours, its menu."""

from __future__ import annotations

import colorsys
import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# How light each shade is, and how much of the colour is in it: whatever the colour, text on it can be read.
SHADES = {
    "50": (0.977, 0.1),
    "100": (0.945, 0.2),
    "200": (0.895, 0.4),
    "300": (0.82, 0.65),
    "400": (0.715, 0.9),
    "500": (0.62, 1.0),
    "600": (0.525, 1.0),
    "700": (0.46, 0.9),
    "800": (0.4, 0.75),
    "900": (0.35, 0.6),
    "950": (0.26, 0.4),
}
MOST_COLOURFUL = 0.19
SEE = "organizations.desk.has_a_desk"
SUPERUSER = "organizations.desk.is_superuser"


def shades(name: str, colour: str) -> dict[str, str]:
    """Return the shades of a colour such as #b91c1c, of which the hue and the colourfulness count, in CSS.

    Raises ImproperlyConfigured for what is no colour.
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise ImproperlyConfigured(f"{name}: must be a colour such as #b91c1c, not {colour!r}")
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    saturation = colorsys.rgb_to_hls(red, green, blue)[2]
    hue = f"from {colour}"
    return {
        shade: f"oklch({hue} {lightness} {round(MOST_COLOURFUL * saturation * part, 4)} h)"
        for shade, (lightness, part) in SHADES.items()
    }


def times_of(zone: str) -> str:
    return gettext("Times of %(zone)s") % {"zone": zone}


def item(title: Any, icon: str, view: str, permission: str = SEE) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{view}"), "permission": permission}


def of_alarms(request: HttpRequest) -> bool:
    """Whether a page is of alarms that there are; that of a new one has an entry of its own."""
    there, own = (reverse(f"admin:alarms_alarm_{view}") for view in ("changelist", "add"))
    return request.path.startswith(there) and request.path != own


MENU = [
    {
        "items": [
            item(_("Home"), "home", "index"),
            item(_("Raise an alarm"), "campaign", "alarms_alarm_add"),
            item(_("Alarms"), "notifications_active", "alarms_alarm_changelist") | {"active": of_alarms},
            item(_("Alarm templates"), "content_paste", "alarms_alarmtemplate_changelist"),
            item(_("Messages"), "inbox", "inbox_message_changelist"),
        ]
    },
    {
        "title": _("People"),
        "items": [
            item(_("People"), "person", "organizations_user_changelist"),
            item(_("Memberships"), "badge", "organizations_membership_changelist"),
            item(_("Groups"), "groups", "organizations_group_changelist"),
            item(_("Devices"), "smartphone", "organizations_device_changelist"),
            item(_("Absences"), "event_busy", "organizations_absence_changelist"),
        ],
    },
    {
        "title": _("How people are reached"),
        "items": [
            item(_("Organizations"), "corporate_fare", "organizations_organization_changelist"),
            item(_("Escalations"), "stairs", "escalations_escalationconfiguration_changelist"),
            item(_("Response timeouts"), "timer", "escalations_responsetimeout_changelist"),
            item(_("Own gateways"), "cell_tower", "alarms_organizationgateway_changelist"),
        ],
    },
    {
        "title": _("Programs"),
        "items": [
            item(_("API tokens"), "key", "organizations_apitoken_changelist"),
            item(_("Personal access tokens"), "vpn_key", "organizations_personalaccesstoken_changelist"),
            item(_("Hooks"), "webhook", "alarms_hook_changelist"),
        ],
    },
    {
        "title": _("What happened"),
        "collapsible": True,
        "items": [
            item(_("Recipients"), "contacts", "alarms_alarmmessage_changelist"),
            item(_("Device messages"), "send", "alarms_devicemessage_changelist"),
            item(_("Answers"), "how_to_vote", "alarms_feedback_changelist"),
            item(_("Inboxes"), "mail", "inbox_inboxmessage_changelist"),
            item(_("Hook events"), "bolt", "alarms_hookevent_changelist"),
            item(_("Hook tries"), "replay", "alarms_hooktry_changelist"),
            item(_("Senders"), "dns", "alarms_sender_changelist", SUPERUSER),
            item(_("Jobs"), "engineering", "procrastinate_procrastinatejob_changelist", SUPERUSER),
            item(_("Idempotency keys"), "fingerprint", "alarms_idempotencykey_changelist", SUPERUSER),
        ],
    },
]

# Of whoever is logged in, in the menu behind their name.
ACCOUNT = [
    {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
    {"title": _("Second factor"), "link": reverse_lazy("admin:second_factor")},
]


def desk_of(*, name: str, colour: str) -> dict[str, Any]:
    """Return the setting UNFOLD."""
    return {
        # Called, as a text would be taken for the path of something to import first.
        "SITE_TITLE": lambda _request: name,
        "SITE_HEADER": lambda _request: name,
        "SITE_SUBHEADER": lambda _request: times_of(get_current_timezone_name()),
        "SITE_SYMBOL": "notifications_active",
        "SITE_URL": None,
        "SHOW_VIEW_ON_SITE": False,
        "SHOW_LANGUAGES": True,
        "SHOW_BACK_BUTTON": True,
        "BORDER_RADIUS": "6px",
        "COLORS": {"primary": shades("SITE_COLOR", colour)},
        "SITE_FAVICONS": [
            {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("messaging_project/icon.svg")}
        ],
        "SCRIPTS": [lambda _request: static("messaging_project/desk.js")],
        "STYLES": [lambda _request: static("messaging_project/desk.css")],
        "SIDEBAR": {"navigation": MENU},
        "ACCOUNT": {"navigation": ACCOUNT},
        "DASHBOARD_CALLBACK": "alarms.desk.home.home",
    }
