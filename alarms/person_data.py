"""What this app holds about people: the alarms they got, their answers, and what of it others are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Prefetch, Q
from django.utils.translation import gettext_lazy as _

from alarms.models import (
    Alarm,
    AlarmMessage,
    AlarmTemplate,
    DeviceMessage,
    DeviceRate,
    Hook,
    HookEvent,
    IdempotencyKey,
)
from organizations.models import Device
from organizations.person_data.parts import (
    ERASED,
    ERASED_PERSON,
    Fate,
    Part,
    Person,
    Scope,
    Section,
    fields_of,
)

GOES = "goes"
PERSONAL = {
    "alarms.Alarm.raised_by": f"'{ERASED_PERSON}' stands in its place",
    "alarms.AlarmMessage.user": "stays: the counts hang on it",
    "alarms.AlarmMessage.code": "emptied: the link to their answer page is none any more",
    "alarms.Feedback.source": "of a token, the kind alone stays",
    "alarms.DeviceMessage.device_name": f"'{ERASED}' stands in its place",
    "alarms.DeviceMessage.address": "emptied",
    "alarms.DeviceMessage.tried": "the words of gateways go, when and which gateway stays",
    "alarms.DeviceMessage.reason": "the words of gateways go, those of this service stay",
    "alarms.DeviceRate.device_id": GOES,
    "alarms.HookEvent.payload": "names of devices and words of gateways go",
    "alarms.IdempotencyKey.principal": GOES,
    "alarms.IdempotencyKey.key": GOES,
    "alarms.IdempotencyKey.body_digest": GOES,
    "alarms.AlarmTemplate_users.user": GOES,
}
WORDS = "what an organization has written: it belongs to those who got it"
OF_ORGANIZATION = "what an organization has set up"
NOT_PERSONAL = {
    "alarms.Alarm.message": WORDS,
    "alarms.Alarm.event_name": WORDS,
    "alarms.Alarm.all_clear": WORDS,
    "alarms.Alarm.pending_resources": "numbers; who is erased is alarmed no more",
    "alarms.AlarmTemplate": WORDS,
    "alarms.DeviceMessage.sender_id": "the number of a process",
    "alarms.Hook": OF_ORGANIZATION,
    "alarms.HookTry": "what a program answered",
    "alarms.OrganizationGateway": OF_ORGANIZATION,
    "alarms.Sender": "a process",
    "alarms.CounterIncrement": "how often something has happened",
    "alarms.WrongCode": "the address of somebody unknown, forgotten within minutes",
}

REASON = "recipient erased"
# What this service itself gives as a reason. Anything else is the words of a gateway, in which an address may stand.
OWN_REASONS = [
    "",
    ERASED,
    REASON,
    "answered",
    "closed",
    "timed out",
    "deactivated or over",
    "ended before it was planned",
    "taken back from its sender",
    "its device gets no more in this minute",
    "its way has no gateway any more",
    "receipt: failed",
    "restored from a backup",
]
# How answers come that are not given by a program of an organization, whose token's name may be somebody's.
OWN_SOURCES = ["answer page", "SMS", "call", "Personal access token", "JWT", "API token"]

# As whoever plans, answers or closes does, in the order of the ids, so that none waits in a circle.
LOCK = "SELECT count(*) FROM (SELECT FROM alarms_alarmmessage WHERE user_id = %s ORDER BY id FOR NO KEY UPDATE) r"

OWN = "SELECT id FROM alarms_alarmmessage WHERE user_id = %(user)s"
ERASE_RECIPIENTS = "UPDATE alarms_alarmmessage SET code = '' WHERE user_id = %(user)s AND code <> ''"
ERASE_DEVICE_MESSAGES = f"""
    UPDATE alarms_devicemessage m SET
        device_name = %(erased)s,
        address = '',
        reason = CASE WHEN m.reason = ANY(%(reasons)s) THEN m.reason ELSE %(erased)s END,
        tried = (
            SELECT coalesce(jsonb_agg(jsonb_build_object('gateway', t -> 'gateway', 'at', t -> 'at', 'reason', CASE
                WHEN t ->> 'reason' = ANY(%(reasons)s) THEN t ->> 'reason' ELSE %(erased)s
            END) ORDER BY place), '[]')
            FROM jsonb_array_elements(m.tried) WITH ORDINALITY AS tries (t, place)
        )
    WHERE m.alarm_message_id IN ({OWN})
"""  # noqa: S608 - made of constants
SOURCE = """CASE
        WHEN {0} = ANY(%(sources)s) THEN {0} WHEN {0} LIKE 'API token %%' THEN 'API token' ELSE %(erased)s
    END"""
ERASE_ANSWERS = f"""
    UPDATE alarms_feedback f SET source = {SOURCE.format("f.source")} WHERE f.alarm_message_id IN ({OWN})
"""  # noqa: S608 - made of constants
ERASE_ANSWERS_TOLD = f"""
    UPDATE alarms_hookevent e SET
        payload = e.payload || jsonb_build_object('source', {SOURCE.format("e.payload ->> 'source'")})
    WHERE e.event = 'feedback.given' AND e.payload @> jsonb_build_object('userID', %(user)s::bigint)
"""  # noqa: S608 - made of constants
ERASE_FAILURES_TOLD = """
    UPDATE alarms_hookevent e SET payload = jsonb_set(e.payload, '{messages}', (
        SELECT jsonb_agg(CASE
            WHEN (m ->> 'userID')::bigint = %(user)s
            THEN m || jsonb_build_object('device', %(erased)s::text, 'reason', CASE
                WHEN m ->> 'reason' = ANY(%(reasons)s) THEN m ->> 'reason' ELSE %(erased)s
            END)
            ELSE m
        END ORDER BY place)
        FROM jsonb_array_elements(e.payload -> 'messages') WITH ORDINALITY AS messages (m, place)
    ))
    WHERE e.event = 'message.failed' AND e.payload @> jsonb_build_object(
        'messages', jsonb_build_array(jsonb_build_object('userID', %(user)s::bigint))
    )
"""


def sections(person: Person, scope: Scope) -> Iterator[Section]:
    pk = person.pk
    recipients = AlarmMessage.objects.filter(scope.within("alarm__organization"), user=pk)
    with_all = recipients.select_related("alarm__organization").prefetch_related(
        Prefetch("device_messages", DeviceMessage.objects.order_by("turn", "pk")), "feedback"
    )
    title = _("Alarms that they got, with device messages and answers")
    yield Section("alarms", title, Fate.BARE, with_all.order_by("pk"), recipient)
    raised = Alarm.objects.filter(scope.within(), raised_by__in=person.designations).order_by("pk")
    yield Section("alarms_raised", _("Alarms that they raised"), Fate.BARE, raised, fields_of)
    coming = Alarm.objects.scheduled().filter(scope.within(), pending_resources__users__contains=[pk])
    yield Section("alarms_to_come", _("Scheduled alarms that name them"), Fate.STAYS, coming.order_by("pk"), scheduled)
    templates = AlarmTemplate.objects.filter(scope.within(), users=pk).order_by("pk")
    yield Section("alarm_templates", _("Places among the recipients of alarm templates"), Fate.GOES, templates)
    keys = IdempotencyKey.objects.filter(scope.within("alarm__organization"), principal=principal(pk)).order_by("pk")
    yield Section("idempotency_keys", _("Idempotency keys"), Fate.GOES, keys)
    told = HookEvent.objects.filter(named_in(pk), scope.within("hook__organization")).order_by("pk")
    yield Section("hook_events", _("Hook events that name them"), Fate.BARE, told, lambda row: hook_event(row, pk))
    rates = DeviceRate.objects.filter(device_id__in=Device.objects.filter(user=pk).order_by().values("pk"))
    yield Section("device_rates", _("How much their devices got in the last minute"), Fate.GOES, rates.order_by("pk"))


def principal(user_id: int) -> str:
    """Return what a user's idempotency keys stand under (organizations.permissions.principal_key)."""
    return f"user {user_id}"


def named_in(user_id: int) -> Q:
    """Return which hook events are about a user."""
    return (
        Q(event=Hook.Event.FEEDBACK_GIVEN, payload__contains={"userID": user_id})
        | Q(event=Hook.Event.RECIPIENT_TIMED_OUT, payload__contains={"userIDs": [user_id]})
        | Q(event=Hook.Event.MESSAGE_FAILED, payload__contains={"messages": [{"userID": user_id}]})
    )


def recipient(row: AlarmMessage) -> dict[str, Any]:
    alarm = row.alarm
    about = {
        "id": alarm.pk,
        "organization_id": alarm.organization_id,
        "organization": alarm.organization.name,
        "event_name": alarm.event_name,
        "message": alarm.message,
        "starts_at": alarm.starts_at,
        "closed_at": alarm.closed_at,
        "all_clear": alarm.all_clear,
    }
    return {
        # Whoever has the code answers for them.
        **fields_of(row, without=["code"]),
        "state": row.state,
        "alarm": about,
        "device_messages": [fields_of(message) for message in row.device_messages.all()],
        "answers": [fields_of(answer) for answer in row.feedback.all()],
    }


def scheduled(row: Alarm) -> dict[str, Any]:
    # Whom else it names is not theirs to know.
    return fields_of(row, without=["pending_resources", "raised_by"])


def hook_event(row: HookEvent, user_id: int) -> dict[str, Any]:
    payload = dict(row.payload)
    if "userIDs" in payload:
        payload["userIDs"] = [user_id]
    if "messages" in payload:
        payload["messages"] = [message for message in payload["messages"] if message["userID"] == user_id]
    return {**fields_of(row), "payload": payload}


def halt(person: Person, now: datetime) -> None:
    """Nothing more leaves for them. They count as somebody whose time is over."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [person.pk])
    AlarmMessage.objects.filter(user=person.pk, escalating=True).update(escalating=False)
    recipients = AlarmMessage.objects.filter(user=person.pk).values_list("pk", flat=True)
    DeviceMessage.objects.cancel(recipients, reason=REASON, now=now)


def erase(person: Person) -> None:
    values: dict[str, Any] = {"user": person.pk, "erased": ERASED, "reasons": OWN_REASONS, "sources": OWN_SOURCES}
    with connection.cursor() as cursor:
        cursor.execute(ERASE_RECIPIENTS, values)
        cursor.execute(ERASE_DEVICE_MESSAGES, values)
        cursor.execute(ERASE_ANSWERS, values)
        cursor.execute(ERASE_ANSWERS_TOLD, values)
        cursor.execute(ERASE_FAILURES_TOLD, values)
    Alarm.objects.filter(raised_by__in=person.designations).update(raised_by=ERASED_PERSON)
    IdempotencyKey.objects.filter(principal=principal(person.pk)).delete()
    AlarmTemplate.users.through.objects.filter(user=person.pk).delete()
    # In the order in which claims take them, so that none waits in a circle.
    devices = Device.objects.filter(user=person.pk).order_by().values("pk")
    rates = DeviceRate.objects.select_for_update().filter(device_id__in=devices).order_by("pk")
    DeviceRate.objects.filter(pk__in=list(rates.values_list("pk", flat=True))).delete()


PART = Part(sections=sections, erase=erase, halt=halt, personal=PERSONAL, not_personal=NOT_PERSONAL)
