"""The recipients of an alarm on its page: what their devices got, and what they answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Case, F, Prefetch, Q, QuerySet, Value, When
from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from alarms.desk.alarm_marks import ANSWERS, REASONS, SOURCES, WAYS, Mark, Word, of_message
from alarms.desk.alarm_state import still_waiting
from alarms.models import STATES, Alarm, AlarmMessage, DeviceMessage, Feedback

PER_PAGE = 50
LONGEST_SEARCH = 100

WAITING = Q(response=None) & still_waiting(F("alarm__closed_at"))
TIMED_OUT = Q(response=None) & ~still_waiting(F("alarm__closed_at"))
FILTERS: dict[str, tuple[Word, Q]] = {
    "": (pgettext_lazy("recipients", "All"), Q()),
    "unknown": (pgettext_lazy("recipients", "Without an answer, in time"), WAITING),
    "timed_out": (pgettext_lazy("recipients", "Timed out"), TIMED_OUT),
    "unreached": (pgettext_lazy("recipients", "Nothing has left for them"), Q(response=None, first_sent_at=None)),
    "positive": (pgettext_lazy("recipients", "Positive"), Q(response=True)),
    "negative": (pgettext_lazy("recipients", "Negative"), Q(response=False)),
}
# Who is waited for first.
IN_TURN = Case(
    When(WAITING, then=Value("unknown")),
    When(response=True, then=Value("positive")),
    When(response=False, then=Value("negative")),
    default=Value("timed_out"),
)
TURNS = Case(
    When(WAITING, then=Value(0)),
    When(response=None, then=Value(1)),
    When(response=False, then=Value(2)),
    default=Value(3),
)


class Try(NamedTuple):
    """An attempt of a message that failed."""

    at: datetime
    gateway: str
    reason: Word


class Sent(NamedTuple):
    """A message to a device."""

    id: int
    mark: Mark
    at: datetime
    is_all_clear: bool
    reason: Word
    tried: list[Try]


class Reached(NamedTuple):
    """A device and its messages, the first turn first."""

    way: Word
    name: str
    messages: list[Sent]


class Answer(NamedTuple):
    mark: Mark
    at: datetime
    source: Word


@dataclass(frozen=True)
class Recipient:
    row: AlarmMessage
    mark: Mark

    @property
    def name(self) -> str:
        return self.row.user.get_full_name() or self.row.user.login

    @property
    def answers(self) -> list[Answer]:
        """All of them, the one in force last."""
        return [
            Answer(ANSWERS[STATES[each.response]], each.created_at, SOURCES.get(each.source, each.source))
            for each in self.row.feedback.all()
        ]

    @property
    def devices(self) -> list[Reached]:
        found: dict[int, Reached] = {}
        for message in self.row.device_messages.all():
            device = found.setdefault(
                message.device_id, Reached(WAYS.get(message.way, message.way), message.device_name, [])
            )
            device.messages.append(_sent(message))
        return list(found.values())

    @property
    def unreachable(self) -> bool:
        """Whether their plan has nothing that could reach them."""
        return self.row.planned_at is not None and not self.row.device_messages.all()


def _sent(message: DeviceMessage) -> Sent:
    status = message.status
    at = message.changed_at
    if status == DeviceMessage.Status.SCHEDULED:
        at = message.due_at
    elif status == DeviceMessage.Status.SENT:
        at = message.sent_at or at
    told = message.reason if status in (DeviceMessage.Status.FAILED, DeviceMessage.Status.CANCELLED) else ""
    return Sent(
        message.pk,
        of_message(message),
        at,
        message.kind == DeviceMessage.Kind.ALL_CLEAR,
        REASONS.get(told, told),
        [
            Try(datetime.fromisoformat(each["at"]), each["gateway"], REASONS.get(each["reason"], each["reason"]))
            for each in message.tried
        ],
    )


@dataclass(frozen=True)
class Wanted:
    """Which recipients are asked for."""

    state: str
    search: str
    page: str

    @property
    def query(self) -> str:
        """As the address of any of their pages has it."""
        return urlencode({name: value for name, value in (("state", self.state), ("q", self.search)) if value})


def wanted(parameters: Mapping[str, Any]) -> Wanted:
    """Return what the address asks for; what it cannot ask for is passed over."""
    state = str(parameters.get("state", ""))
    return Wanted(
        state if state in FILTERS else "",
        " ".join(str(parameters.get("q", "")).replace("\x00", "").split())[:LONGEST_SEARCH],
        str(parameters.get("page", "1"))[:9],
    )


def choices() -> list[tuple[str, str | Promise]]:
    return [(value, word) for value, (word, _condition) in FILTERS.items()]


def matching(alarm: Alarm, asked: Wanted) -> QuerySet[AlarmMessage]:
    """Return the recipients asked for, those first who are waited for."""
    found = AlarmMessage.objects.filter(FILTERS[asked.state][1], alarm=alarm)
    for word in asked.search.split():
        found = found.filter(
            Q(user__first_name__icontains=word) | Q(user__last_name__icontains=word) | Q(user__login__icontains=word)
        )
    return found.order_by(TURNS, "user__last_name", "user__first_name", "pk")


def page_of(alarm: Alarm, asked: Wanted) -> tuple[Page[Any], Iterator[Recipient]]:
    """Return a page, with four queries: its number of rows, its recipients, their messages and their answers."""
    found = matching(alarm, asked).annotate(standing=IN_TURN).select_related("user")
    page = Paginator(
        found.prefetch_related(
            Prefetch("device_messages", DeviceMessage.objects.order_by("turn", "pk")),
            Prefetch("feedback", Feedback.objects.order_by("created_at", "pk")),
        ),
        PER_PAGE,
    ).get_page(asked.page)
    rows: list[Any] = list(page.object_list)
    return page, (Recipient(row, _mark(row, alarm)) for row in rows)


def _mark(row: Any, alarm: Alarm) -> Mark:
    return ANSWERS["unanswered" if row.standing == "unknown" and alarm.closed_at else row.standing]
