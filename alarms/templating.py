"""What templates of alarms say, for whom there still is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple

from rest_framework.exceptions import ValidationError

from alarms.models import AlarmTemplate
from organizations.models import Group, Membership, Organization


class Named(NamedTuple):
    """Whom a template names one by one: those who are still there."""

    users: list[int]
    units: list[int]


def template_of(organization: Organization, template_id: int) -> AlarmTemplate:
    """Return a template of the organization.

    Raises: ValidationError for one that it does not have.
    """
    template = AlarmTemplate.objects.filter(organization=organization, pk=template_id).first()
    if template is None:
        raise ValidationError({"alarmTemplateID": f"Not a template of the organization: {template_id}."})
    return template


def named_by(organization_id: int, template_ids: Collection[int]) -> dict[int, Named]:
    """Return whom templates of an organization name, by template, with two queries: who is not a member any more is
    left out, as are groups that are another organization's."""
    named: dict[int, Named] = defaultdict(lambda: Named([], []))
    members = Membership.objects.filter(organization=organization_id).values("user")
    users = AlarmTemplate.users.through.objects.filter(alarmtemplate__in=template_ids, user__in=members)
    for template_id, user_id in users.order_by("user_id").values_list("alarmtemplate_id", "user_id"):
        named[template_id].users.append(user_id)
    groups = Group.objects.filter(organization=organization_id).values("pk")
    units = AlarmTemplate.groups.through.objects.filter(alarmtemplate__in=template_ids, group__in=groups)
    for template_id, group_id in units.order_by("group_id").values_list("alarmtemplate_id", "group_id"):
        named[template_id].units.append(group_id)
    return named


def rendered(organization: Organization) -> list[dict[str, Any]]:
    """Return the templates of an organization, by name, as the API shows them. The number of queries does not grow."""
    templates = list(AlarmTemplate.objects.filter(organization=organization).order_by("name", "pk"))
    named = named_by(organization.pk, [template.pk for template in templates])
    return [
        {
            "id": template.pk,
            "organizationID": organization.pk,
            "name": template.name,
            "message": template.message,
            "eventName": template.event_name,
            "alarmResources": {"allUsers": template.all_users, **named[template.pk]._asdict()},
        }
        for template in templates
    ]
