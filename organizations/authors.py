"""Who changes what is kept in the history: noted where a change begins, and told where the history is read."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pghistory
from django.core.management.base import BaseCommand
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.request import Request

from organizations.models import Token, User
from organizations.whose import administered, people_of

if TYPE_CHECKING:
    from rest_framework.views import APIView
else:
    APIView = object

READING = frozenset({"GET", "HEAD", "OPTIONS"})
# What the triggers write beside each row: who, and from where.
Context = Mapping[str, Any]


class Authored(APIView):
    """Endpoints whose changes the history names an author for: a user, or an API token."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in READING:
            return super().dispatch(request, *args, **kwargs)
        with pghistory.context(how="api"):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Not entered: it adds to what `dispatch` has entered, now that it is known who asks.
        if isinstance(request.user, User):
            pghistory.context(user=request.user.pk)
        elif isinstance(request.auth, Token):
            # As it is called now: its row may be gone when somebody reads this.
            pghistory.context(token=request.auth.name, prefix=request.auth.prefix)


def by_command(command: BaseCommand) -> AbstractContextManager[object]:
    """Note what is changed in this context as the command's, run by the system user of this process."""
    name = type(command).__module__.rpartition(".")[2]
    context: AbstractContextManager[object] = pghistory.context(how="command", command=name, system_user=system_user())
    return context


def system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container there may be no name.
        return str(os.getuid())


class Authors:
    """Tells who did what, to one who does not get to know the people of other organizations."""

    def __init__(self, request: HttpRequest, contexts: list[Context | None]) -> None:
        ids = {context["user"] for context in contexts if context and context.get("user")}
        mine = administered(request)
        known = Q(pk__isnull=False) if mine is None else people_of(mine) | Q(pk=request.user.pk)
        people = User.objects.filter(pk__in=ids).annotate(known=ExpressionWrapper(known, output_field=BooleanField()))
        self._names = {user.pk: self._name(user) for user in people}

    @staticmethod
    def _name(user: Any) -> str:
        if user.known:
            return str(user)
        return _("an administrator of the service") if user.is_superuser else _("somebody of another organization")

    def who(self, context: Context | None) -> str:
        context = context or {}
        if user := context.get("user"):
            return self._names.get(user, _("a person who has been deleted"))
        if "token" in context:
            return _("API token %(name)s (%(prefix)s)") % {"name": context["token"], "prefix": context["prefix"]}
        return str(context.get("system_user") or _("the service"))

    def how(self, context: Context | None) -> str:
        context = context or {}
        imported = context.get("what") == "import"
        match context.get("how"):
            case "admin":
                return _("Admin, import of members") if imported else _("Admin")
            case "api":
                return _("API")
            case "command":
                return _("Command %(name)s") % {"name": context.get("command", "")}
        return _("Import of members") if imported else "-"
