"""Admins of an organization are told by e-mail of what keeps an alarm from reaching whom it should: together, and not
more often than every few minutes."""

from __future__ import annotations

import logging
import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import formats, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alarms.models import Alarm, Trouble
from messaging_project import mail
from messaging_project.database import alone
from organizations.models import Membership, Organization, User, Way

logger = logging.getLogger(__name__)

# Between two e-mails to the admins of an organization.
PAUSE = timedelta(minutes=5)
# So many people of an alarm are named.
MOST_NAMES = 20
MAX_TITLE = 80
KEEP = timedelta(days=30)


def tell_admins(*, now: datetime) -> int:
    """Send what admins do not know of yet; return to how many organizations something was told. What could not be sent
    is left for the next time."""
    with alone("admins are told") as is_alone:
        if not is_alone:
            return 0
        Trouble.objects.filter(found_at__lt=now - KEEP).delete()
        told_lately = Trouble.objects.filter(organization=OuterRef("organization"), told_at__gt=now - PAUSE)
        waiting = Trouble.objects.filter(~Exists(told_lately), told_at=None)
        organizations = Organization.objects.filter(pk__in=waiting.values("organization"))
        return sum(tell(organization, now=now) for organization in organizations)


def tell(organization: Organization, *, now: datetime) -> bool:
    """Tell the admins of one organization; return whether anything was told."""
    untold = Trouble.objects.filter(organization=organization, told_at=None)
    # Who answered or was reached meanwhile is no trouble any more, and may be one again.
    reached = Q(alarm_message__response__isnull=False) | Q(alarm_message__first_sent_at__isnull=False)
    untold.filter(reached).delete()
    troubles = list(untold.select_related("alarm", "alarm_message__user").order_by("alarm_id", "pk"))
    if not troubles or not send(organization, troubles):
        return False
    untold.filter(pk__in=[trouble.pk for trouble in troubles]).update(told_at=now)
    return True


def send(organization: Organization, troubles: Sequence[Trouble]) -> bool:
    """Send the e-mail to each admin; return whether it was taken for one, or nobody is left who could get it."""
    admins = User.objects.filter(
        memberships__organization=organization, memberships__role=Membership.Role.ADMIN, is_active=True
    ).exclude(email="")
    sent, failures = 0, list[mail.Failure]()
    for admin in admins if organization.is_active else ():
        try:
            compose(organization, troubles, admin).send()
        except Exception as error:
            # Django's backends have no common error: each provider's raises its own.
            failures.append(mail.failure(error))
            logger.error("an admin cannot be told of trouble: user=%d: %s", admin.pk, failures[-1].reason)
        else:
            sent += 1
    if not admins:
        logger.error("no admin has an e-mail address to be told of trouble: organization=%d", organization.pk)
    else:
        logger.warning("admins told of trouble: organization=%d admins=%d of=%d", organization.pk, sent, len(admins))
    return bool(sent) or all(failure.permanent for failure in failures)


def compose(organization: Organization, troubles: Sequence[Trouble], admin: User) -> EmailMessage:
    """Return the e-mail, in the admin's language."""
    by_alarm: dict[Alarm, list[Trouble]] = {}
    for trouble in troubles:
        by_alarm.setdefault(trouble.alarm, []).append(trouble)
    with translation.override(admin.language):
        parts = [part(alarm, found, organization) for alarm, found in by_alarm.items()]
        subject = _("Alarms of %(organization)s do not reach everybody") % {"organization": organization.name}
        footer = _("You get this as an admin of %(organization)s.") % {"organization": organization.name}
    return EmailMessage(
        subject=" ".join(subject.split()),
        body="\n\n".join([*parts, f"-- \n{footer}\n"]),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[admin.email],
        headers={
            "Message-ID": mail.message_id(f"trouble-{troubles[0].pk}-{admin.pk}"),
            "Auto-Submitted": "auto-generated",
            "Content-Language": admin.language,
        },
    )


def part(alarm: Alarm, troubles: Sequence[Trouble], organization: Organization) -> str:
    """Return what an e-mail says of one alarm, in the active language and the time zone of the organization."""
    start = formats.date_format(
        alarm.starts_at.astimezone(zoneinfo.ZoneInfo(organization.time_zone)), "DATETIME_FORMAT"
    )
    lines = [f"{alarm.event_name or alarm.message.splitlines()[0][:MAX_TITLE]} ({start})"]
    ways = [Way(trouble.way).label for trouble in troubles if trouble.way]
    if ways:
        lines.append(_("Every gateway fails: %(ways)s.") % {"ways": ", ".join(map(str, ways))})
    people = [str(trouble.alarm_message.user) for trouble in troubles if trouble.alarm_message]
    if people:
        lines.append(
            ngettext("%(count)d person cannot be reached:", "%(count)d people cannot be reached:", len(people))
            % {"count": len(people)}
        )
        lines += [f"- {name}" for name in people[:MOST_NAMES]]
    if len(people) > MOST_NAMES:
        lines.append(_("- and %(count)d more") % {"count": len(people) - MOST_NAMES})
    lines.append(f"{settings.BASE_URL}{reverse('admin:alarms_alarm_change', args=[alarm.pk])}")
    return "\n".join(lines)
