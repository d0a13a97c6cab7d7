"""What an administrator sees and may change in the admin, whose desk it is (whose.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django import forms
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import NestedObjects, unquote
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import ngettext

from messaging_project.admin import ModelAdmin, SearchOne, SearchSome, TabularInline, WholeForm
from organizations.desk_filter import of_organization as of_organization
from organizations.desk_lookups import is_offered
from organizations.whose import account_of as account_of
from organizations.whose import administered as administered
from organizations.whose import administered_organizations as administered_organizations
from organizations.whose import has_a_desk as has_a_desk
from organizations.whose import is_superuser as is_superuser
from organizations.whose import managed_by as managed_by
from organizations.whose import people_of as people_of

Row = TypeVar("Row", bound=Model)
Parent = TypeVar("Parent", bound=Model)

# How many of what is to be deleted are named.
NAMED = 50


if TYPE_CHECKING:
    from django.contrib.admin.options import BaseModelAdmin

    AdminBase = BaseModelAdmin[Any]
else:
    AdminBase = object


class OwnChoices(AdminBase):
    """Offers and takes for a relation what the caller may see."""

    choose_changeable: ClassVar[tuple[str, ...]] = ()
    """The relations for which it must be something that the caller may change."""

    choose_only: ClassVar[Mapping[str, Callable[[Collection[int]], Q]]] = {}
    """The relations for which it must be something of that kind, such as whose account the caller may set."""

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", SearchOne(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **(self._offered(db_field, request) | kwargs))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", SearchSome(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **(self._offered(db_field, request) | kwargs))

    def _offered(self, db_field: Any, request: HttpRequest) -> dict[str, Any]:
        there = self.admin_site._registry.get(db_field.related_model)
        if not isinstance(there, Desk):
            return {}
        offered = there.choices(request, changeable=db_field.name in self.choose_changeable)
        mine, only = administered(request), self.choose_only.get(db_field.name)
        return {"queryset": offered if mine is None or only is None else offered.filter(only(mine))}


class Desk(OwnChoices, ModelAdmin[Row]):
    """The admin of rows that belong to organizations."""

    belongs_to: ClassVar[str] = "organization"
    """The way from a row to its organization."""
    links: ClassVar[tuple[str, ...]] = ()
    """Fields that links to the list filter by, beside its filters."""

    # Whose

    def visible(self, organizations: Collection[int]) -> Q:
        """Return which rows the admins of these organizations see."""
        return Q(**{f"{self.belongs_to}{LOOKUP_SEP}in": organizations})

    def changeable(self, organizations: Collection[int]) -> Q:
        """Return which of those they may change and delete."""
        return Q()

    def seen_by(self, request: HttpRequest) -> Q:
        """Return which rows the caller sees."""
        mine = administered(request)
        return Q() if mine is None else self.visible(mine)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        return super().get_queryset(request).filter(self.seen_by(request))

    def choices(self, request: HttpRequest, *, changeable: bool = False) -> QuerySet[Row]:
        """Return the rows that the caller sees, or those that they may change, and nothing computed with them."""
        rows = self.model._default_manager.filter(self.seen_by(request))
        mine = administered(request)
        return rows if mine is None or not changeable else rows.filter(self.changeable(mine))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Where there is one organization only, nobody has to choose it."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        if self.belongs_to in {field.name for field in self.model._meta.fields if not field.null}:
            ids = list(administered_organizations(request).values_list("pk", flat=True)[:2])
            if len(ids) == 1:
                initial.setdefault(self.belongs_to, str(ids[0]))
        return initial

    # Permissions

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return self._may(request, obj, changeable=False)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_a_desk(request)

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return self._may(request, obj, changeable=True)

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return self._may(request, obj, changeable=True)

    def _may(self, request: HttpRequest, obj: Row | None, *, changeable: bool) -> bool:
        mine = administered(request)
        if mine is None or not mine or obj is None or obj.pk is None:
            return mine is None or bool(mine)
        known = self._known(request, changeable=changeable)
        if obj.pk not in known:
            self._learn(request, [obj], changeable=changeable)
        return known[obj.pk]

    def _known(self, request: HttpRequest, *, changeable: bool) -> dict[Any, bool]:
        """Return what was found out while this request is answered: it is asked for again and again."""
        known: dict[tuple[type[Model], bool], dict[Any, bool]] = request.__dict__.setdefault("desk", {})
        return known.setdefault((self.model, changeable), {})

    def _learn(self, request: HttpRequest, rows: Iterable[Row], *, changeable: bool) -> None:
        ids = [row.pk for row in rows]
        found = set(self.choices(request, changeable=changeable).filter(pk__in=ids).values_list("pk", flat=True))
        self._known(request, changeable=changeable).update({pk: pk in found for pk in ids})

    def logged(self, organizations: Collection[int]) -> Q:
        """Return of which rows they read what the admin has written down of changes."""
        return self.changeable(organizations)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        mine, obj = administered(request), self.get_object(request, unquote(object_id))
        if obj is not None and not (
            mine is None or self.choices(request).filter(self.logged(mine), pk=obj.pk).exists()
        ):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    # Changes

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            # Somebody was quicker, or the button was pressed twice: now the form sees what is there.
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        # Whatever a form lets through, nothing of others' comes of it: it is all undone.
        if not self.choices(request, changeable=True).filter(pk=form.instance.pk).exists():
            raise PermissionDenied

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Name what is to be deleted, and count what goes with it, which may be thousands of rows."""
        collector: Any = NestedObjects(using=self.model._default_manager.db, origin=objs)
        collector.collect(objs)
        if not is_superuser(request):
            # Of all with one query.
            self._learn(request, objs, changeable=True)
        missing = {
            str(model._meta.verbose_name)
            for model in collector.model_objs
            if model in self.admin_site._registry
            and not self.admin_site._registry[model].has_delete_permission(request)
        }
        if not all(self.has_delete_permission(request, row) for row in objs):
            missing.add(str(self.opts.verbose_name))
        counts = _counted(row for rows in collector.model_objs.values() for row in rows)
        kept = [f"{name}: {count}" for name, count in _counted(collector.protected).items()]
        return _named(objs), counts, missing, kept

    # Lists

    def get_ordering(self, request: HttpRequest) -> Any:
        # The model's own order, if it has one, does not hold any more where something is counted with its rows.
        return super().get_ordering(request) or self.opts.ordering or ("pk",)

    list_per_page = 50
    form: type[forms.ModelForm[Any]] = WholeForm
    list_filter_submit = True
    # They would take a query more for each filter.
    show_facets = ShowFacets.NEVER

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the list offers: by another lookup one could guess at what one may not see."""
        return is_offered(lookup, value, [*self.get_list_filter(request), *self.links, self.date_hierarchy])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        # The database has no such character.
        return super().get_search_results(request, queryset, search_term.replace("\x00", ""))


def _named(rows: Collection[Model]) -> list[str]:
    names = [f"{capfirst(row._meta.verbose_name)}: {row}" for row in islice(rows, NAMED)]
    more = len(rows) - NAMED
    return (
        names if more <= 0 else [*names, ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}]
    )


def _counted(rows: Iterable[Model]) -> dict[str, int]:
    # Not the rows between two others, which nobody sees as things of their own.
    return Counter(str(capfirst(row._meta.verbose_name_plural)) for row in rows if not row._meta.auto_created)


class OfSuperusers(Desk[Row]):
    """The admin of rows that belong to no organization."""

    def visible(self, organizations: Collection[int]) -> Q:
        return Q(pk__in=[])

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return is_superuser(request)


class DeskInline(OwnChoices, TabularInline[Row, Parent]):
    """Rows on the page of the row they belong to: who may change that one may change them."""

    def visible(self, organizations: Collection[int]) -> Q:
        """Return which rows the admins of these organizations see, of those on a page that they see."""
        return Q()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        rows = super().get_queryset(request)
        mine = administered(request)
        return rows if mine is None else rows.filter(self.visible(mine))

    def has_view_permission(self, request: HttpRequest, obj: Parent | None = None) -> bool:
        return has_a_desk(request)

    def has_add_permission(self, request: HttpRequest, obj: Parent | None = None) -> bool:
        return self._page(request).has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Parent | None = None) -> bool:
        return self._page(request).has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Parent | None = None) -> bool:
        return self._page(request).has_change_permission(request, obj)

    def _page(self, request: HttpRequest) -> Desk[Any]:
        page = self.admin_site._registry[self.parent_model]
        assert isinstance(page, Desk)
        return page
