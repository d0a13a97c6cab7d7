"""The members of an organization as CSV, which `import_members` reads back without changing anything."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator

from organizations.members_csv import COLUMNS, guarded, joined
from organizations.models import Device, Group, Membership, Organization, Way


def export_members(*, organization: Organization) -> bytes:
    """Return the members with their groups and active devices: UTF-8 with BOM, in the columns of an import.

    An e-mail address that is no device of the member stands in angle brackets. E-mail devices of other addresses have
    no column, and an import leaves them alone. Four queries, however many members there are.
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(_rows(organization))
    return out.getvalue().encode("utf-8-sig")


def _rows(organization: Organization) -> Iterator[dict[str, str]]:
    memberships = Membership.objects.filter(organization=organization)
    names = dict(Group.objects.filter(organization=organization).order_by("name").values_list("pk", "name"))
    through = Group.memberships.through._default_manager.filter(membership__organization=organization)
    groups = defaultdict[int, set[int]](set)
    for membership_id, group_id in through.values_list("membership_id", "group_id"):
        groups[membership_id].add(group_id)
    addresses = defaultdict[int, dict[str, list[str]]](lambda: defaultdict(list))
    active = Device.objects.filter(user__memberships__organization=organization, is_active=True).order_by("pk")
    for user_id, way, address in active.values_list("user_id", "way", "address"):
        addresses[user_id][way].append(address)
    for membership in memberships.select_related("user").order_by("user__login"):
        user, devices = membership.user, addresses[membership.user_id]
        email = user.email if not user.email or user.email in devices[Way.EMAIL] else f"<{user.email}>"
        single = {
            "login": user.login,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "email": email,
            "language": user.language,
            "role": membership.role,
        }
        inside = [name for group_id, name in names.items() if group_id in groups[membership.pk]]
        yield {
            **{column: guarded(text) for column, text in single.items()},
            "groups": joined(inside),
            **{way: joined(devices[way]) for way in Way.values if way != Way.EMAIL},
        }
