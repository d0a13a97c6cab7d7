"""What was sent, in the admin: to be searched and read only; and sending a message to groups."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, JSONObject
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.text import Truncator
from rest_framework.exceptions import ValidationError

from inbox import texts
from inbox.models import InboxMessage, Message
from inbox.sending import MessageOrder, send
from inbox.serializers import MAX_MINUTES
from messaging_project.admin import ModelAdmin, ReadOnly, Unchangeable, list_link
from messaging_project.errors import details_of
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


def organizations_of(request: HttpRequest) -> QuerySet[Organization]:
    """Return those to whose groups somebody may send from the admin."""
    assert isinstance(request.user, User)
    if request.user.is_superuser:
        return Organization.objects.filter(is_active=True)
    return Organization.objects.of(request.user)


class GroupsField(GroupsFieldBase):
    def label_from_instance(self, obj: Group) -> str:
        return f"{obj.organization}: {obj.name}"


class LinesField(forms.CharField):
    """Text of several lines, whose ends browsers send as CR LF and count as one character."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class SendForm(MessageFormBase):
    """A message to be sent, by whoever is logged in."""

    text = LinesField(widget=forms.Textarea, max_length=texts.MAX_LENGTH, strip=False)
    groups = GroupsField(
        Group.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="All their members get it.",
    )
    instant_minutes = forms.IntegerField(
        min_value=0, max_value=MAX_MINUTES, required=False, help_text="For how many minutes it is an instant message."
    )

    class Meta:
        model = Message
        fields = ("text",)

    def clean_groups(self) -> QuerySet[Group]:
        groups: QuerySet[Group] = self.cleaned_data["groups"]
        if not Membership.objects.filter(groups__in=groups, user__is_active=True).exists():
            raise forms.ValidationError("Nobody active is in these groups.")
        return groups


@admin.register(Message)
class MessageAdmin(Unchangeable, ModelAdmin[Message]):
    """Links to the recipients, of whom there may be thousands, instead of showing them inline."""

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
    search_help_text = "Words of the text, of a translation or a parameter; the sender."
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
        try:
            return super().add_view(request, form_url, extra_context)
        except ValidationError as error:
            # A group has gone since the form was checked.
            self.message_user(request, details_of(error.detail), messages.ERROR)
            return redirect(request.path)

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
        self.message_user(request, f"Sent to {sent.recipients}.")

    @admin.display(description="sender", ordering="sender__login")
    def by(self, message: Message) -> str:
        return str(message.sender or message.organization)

    @admin.display(description="text")
    def beginning(self, message: Message) -> str:
        return Truncator(message.text).chars(60)

    @admin.display
    def in_inboxes(self, message: Message) -> str:
        return list_link(InboxMessage, self._count(message, "recipients"), message__id__exact=message.pk)

    @admin.display
    def read(self, message: Message) -> int:
        return self._count(message, "read")

    @staticmethod
    def _count(message: Any, what: str) -> int:
        count: int = (message.counts or {}).get(what, 0)
        return count


@admin.register(InboxMessage)
class InboxMessageAdmin(ReadOnly, ModelAdmin[InboxMessage]):
    list_display = ("id", "message", "user", "read_at", "instant_until", "copy_settled_at")
    list_filter = (("read_at", admin.EmptyFieldListFilter),)
    list_select_related = ("message", "user")
    search_fields = ("user__login", "user__first_name", "user__last_name")
    search_help_text = "The recipient; the text is found among the messages."
    show_full_result_count = False
    fields = ("message", "user", "read_at", "instant_until", "copy_settled_at")
