"""What has become of a token, as marks and as a filter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from organizations.models import Token


def moment(time: datetime | None) -> str:
    return date_format(timezone.localtime(time), "DATETIME_FORMAT") if time else ""


def marks(token: Token) -> list[tuple[str, str]]:
    """Return the colours and words of a token's state."""
    now = timezone.now()
    if token.revoked_at is not None:
        return [("negative", _("Revoked"))]
    if not token.is_usable(now):
        return [("over", _("Expired"))]
    noted = [
        (token.replacement() is not None, _("Replaced")),
        (token.ends_soon(now), _("Ends soon")),
        (token.is_forgotten(now), _("Forgotten")),
    ]
    return [("waiting", word) for holds, word in noted if holds] or [("positive", _("In force"))]


class StateFilter(SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [
            ("usable", gettext_lazy("In force")),
            ("soon", gettext_lazy("Ends soon")),
            ("forgotten", gettext_lazy("Forgotten")),
            ("expired", gettext_lazy("Expired")),
            ("revoked", gettext_lazy("Revoked")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now, tokens = timezone.now(), queryset.model.objects.all()
        chosen = {
            "usable": tokens.usable(now),
            "soon": tokens.expiring_soon(now),
            "forgotten": tokens.forgotten(now),
            "expired": tokens.expired(now),
            "revoked": tokens.revoked(),
        }.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(pk__in=chosen.order_by().values("pk"))
