"""What was sent, in the admin: to be searched and read only; and sending a message to groups."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, JSONObject
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from rest_framework.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
)

from inbox import texts
from inbox.models import InboxMessage, Message
from inbox.sending import MessageOrder, send
from inbox.serializers import MAX_MINUTES
from messaging_project.admin import ReadOnly, Unchangeable, list_link
from organizations.admin import once
from organizations.desk import Desk, account_of, administered_organizations, people_of
from organizations.models import Group, Membership, Organization, User

if TYPE_CHECKING:
    GroupsFieldBase = forms.ModelMultipleChoiceField[Group]
    MessageFormBase = forms.ModelForm[Message]
else:
    GroupsFieldBase = forms.ModelMultipleChoiceField
    MessageFormBase = forms.ModelForm

# One pass over a message's recipients for both numbers.
COUNTS = (
    InboxMessage.objects.filter(message=OuterRef("pk"))
    .order_by()
    .values("message")
    .annotate(counts=JSONObject(recipients=Count("pk"), read=Count("read_at")))
    .values("counts")
)


def of_inbox(organizations: Collection[int]) -> Q:
    """Return which messages admins of these organizations see: those that tell of an alarm of theirs, and those of
    people whose accounts are theirs to set. Somebody who is in another organization too may have sent to that one, and
    it is not kept in which a message was sent."""
    senders = User.objects.filter(account_of(organizations))
    return Q(organization__in=organizations) | Q(sender__in=senders)


def organizations_of(request: HttpRequest) -> QuerySet[Organization]:
    """Return those to whose groups somebody sends from the admin."""
    return administered_organizations(request).filter(is_active=True)


class GroupsField(GroupsFieldBase):
    def label_from_instance(self, obj: Group) -> str:
        return f"{obj.organization}: {obj.name}"


class LinesField(forms.CharField):
    """Text of several lines, whose ends browsers send as CR LF and count as one character."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class SendForm(MessageFormBase):
    """A message to be sent, by whoever is logged in."""

    text = LinesField(label=_("Text"), widget=UnfoldAdminTextareaWidget, max_length=texts.MAX_LENGTH, strip=False)
    groups = GroupsField(
        Group.objects.none(),
        label=_("Groups"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("All their members get it."),
    )
    instant_minutes = forms.IntegerField(
        label=_("Minutes"),
        widget=UnfoldAdminIntegerFieldWidget,
        min_value=0,
        max_value=MAX_MINUTES,
        required=False,
        help_text=_("For how many minutes it is an instant message."),
    )

    class Meta:
        model = Message
        fields = ("text",)

    def clean_groups(self) -> QuerySet[Group]:
        groups: QuerySet[Group] = self.cleaned_data["groups"]
        if not Membership.objects.filter(groups__in=groups, user__is_active=True).exists():
            raise forms.ValidationError(_("Nobody active is in these groups."))
        return groups


@admin.register(Message)
class MessageAdmin(Unchangeable, Desk[Message]):
    """Links to the recipients, of whom there may be thousands, instead of showing them inline."""

    def visible(self, organizations: Collection[int]) -> Q:
        return of_inbox(organizations)

    def seen_by(self, request: HttpRequest) -> Q:
        seen = super().seen_by(request)
        # And what one has sent oneself.
        return seen | Q(sender=request.user) if seen else seen

    list_display = ("id", "sent_at", "type", "by", "beginning", "in_inboxes", "read")
    list_display_links = ("id", "sent_at")
    list_filter = ("type", "sent_at")
    list_select_related = ("sender", "organization")
    search_fields = (
        "text",
        "translated",
        "filled_in",
        "sender__login",
        "sender__first_name",
        "sender__last_name",
        "organization__name",
    )
    search_help_text = _("Words of the text, of a translation or a parameter; the sender.")
    show_full_result_count = False
    fields = ("by", "type", "sent_at", "text", "translations", "parameters", "in_inboxes", "read")

    def get_fields(self, request: HttpRequest, obj: Message | None = None) -> tuple[str, ...]:
        return self.fields if obj else ("groups", "text", "instant_minutes")

    def get_form(
        self, request: HttpRequest, obj: Message | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Message]]:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        form = super().get_form(request, obj, change, form=SendForm, fields=("text",))
        # The form shares this field with those of others, who have other groups.
        groups = form.base_fields["groups"] = deepcopy(form.base_fields["groups"])
        assert isinstance(groups, GroupsField)
        groups.queryset = (
            Group.objects.filter(organization__in=organizations_of(request))
            .select_related("organization")
            .order_by("organization__name", "name")
        )
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        key = request.POST.get("form_key", "") or once.new_key()
        context = {**(extra_context or {}), "form_key": key}
        if request.method != "POST":
            return super().add_view(request, form_url, context)
        try:
            with transaction.atomic():
                sent = once.outcome(request, key)
                if sent is None:
                    return super().add_view(request, form_url, context)
        except ValidationError:
            # Since the form was checked.
            self.message_user(request, _("Nothing was sent: a group or its members have gone."), messages.ERROR)
            return redirect(request.path)
        note = _("This message was sent already, and was not sent again.")
        self.message_user(request, note, messages.WARNING)
        return redirect("admin:inbox_message_change", sent)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                counts=Subquery(COUNTS),
                translated=Cast("translations", TextField()),
                filled_in=Cast("parameters", TextField()),
            )
        )

    def save_model(self, request: HttpRequest, obj: Message, form: forms.ModelForm[Message], change: bool) -> None:
        assert isinstance(request.user, User)
        data = form.cleaned_data
        sent = send(
            order=MessageOrder(
                text=data["text"],
                groups=[group.pk for group in data["groups"]],
                instant_minutes=data["instant_minutes"],
            ),
            sender=request.user,
            organizations=organizations_of(request),
            now=timezone.now(),
        )
        obj.pk = sent.message.pk
        if key := request.POST.get("form_key"):
            once.spend(request, key, obj.pk)
        note = ngettext("Sent to %(count)d person.", "Sent to %(count)d people.", sent.recipients)
        self.message_user(request, note % {"count": sent.recipients})

    @admin.display(description=_("sender"), ordering="sender__login")
    def by(self, message: Message) -> str:
        return str(message.sender or message.organization)

    @admin.display(description=_("text"))
    def beginning(self, message: Message) -> str:
        return Truncator(message.text).chars(60)

    @admin.display(description=_("in inboxes"))
    def in_inboxes(self, message: Message) -> str:
        return list_link(InboxMessage, self._count(message, "recipients"), message__id__exact=message.pk)

    @admin.display(description=_("read"))
    def read(self, message: Message) -> int:
        return self._count(message, "read")

    @staticmethod
    def _count(message: Any, what: str) -> int:
        count: int = (message.counts or {}).get(what, 0)
        return count


@admin.register(InboxMessage)
class InboxMessageAdmin(ReadOnly, Desk[InboxMessage]):
    def visible(self, organizations: Collection[int]) -> Q:
        return Q(user__in=User.objects.filter(people_of(organizations)))

    def seen_by(self, request: HttpRequest) -> Q:
        seen = super().seen_by(request)
        if not seen:
            return seen
        sent = self.admin_site.get_model_admin(Message).get_queryset(request)
        return seen & Q(message__in=sent.order_by().values("pk"))

    links = ("message",)
    list_display = ("id", "message", "user", "read_at", "instant_until", "copy_settled_at")
    list_filter = (("read_at", admin.EmptyFieldListFilter),)
    list_select_related = ("message", "user")
    search_fields = ("user__login", "user__first_name", "user__last_name")
    search_help_text = _("The recipient; the text is found among the messages.")
    show_full_result_count = False
    fields = ("message", "user", "read_at", "instant_until", "copy_settled_at")
