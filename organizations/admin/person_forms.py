"""The forms of people, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import UserCreationForm
from unfold.widgets import UnfoldAdminRadioSelectWidget

from messaging_project.admin import WholeForm
from organizations.models import Membership, User

if TYPE_CHECKING:
    PersonFormBase = forms.ModelForm[User]
    MembershipFormSetBase = forms.BaseInlineFormSet[Membership, User, forms.ModelForm[Membership]]
else:
    PersonFormBase = forms.ModelForm
    MembershipFormSetBase = forms.BaseInlineFormSet

# Whoever has it, and in which organization, is not told.
TAKEN = _("This login is not available.")


class PersonForm(PersonFormBase):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 3

    class Meta:
        model = User
        fields = "__all__"
        error_messages = {"login": {"unique": TAKEN}}


class NewPersonForm(UserCreationForm):  # type: ignore[misc] # Unfold has no types
    """Somebody who cannot log in, as few people have to, unless a password is given."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=Membership.Role.choices,
        initial=Membership.Role.MEMBER,
        required=False,
        widget=UnfoldAdminRadioSelectWidget,
        help_text=_("In the organization above. Admins raise alarms and manage people."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["usable_password"].initial = "false"
        self.fields["usable_password"].help_text = _("Only who works in this admin or with a client needs a password.")
        self.fields["description"].widget.attrs["rows"] = 3
        if "login" in self.fields:
            self.fields["login"].error_messages["unique"] = TAKEN

    def clean_role(self) -> str:
        return self.cleaned_data["role"] or Membership.Role.MEMBER


class Labelled:
    """Names the fields of a table of rows, of which only the heads of the columns are to be seen."""

    def get_formset(self, *args: Any, **kwargs: Any) -> Any:
        formset = super().get_formset(*args, **kwargs)  # type: ignore[misc] # of the inline that this is mixed into
        for field in formset.form.base_fields.values():
            # What is around a select of rows passes nothing on to it.
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs["aria-label"] = str(capfirst(field.label))
        return formset


class DeviceForm(WholeForm):
    """A device whose address is written as it is kept."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc] # the stubs leave it out
        # Two spellings of one number on a page are the same device twice.
        if "address" in self.cleaned_data:
            self.cleaned_data["address"] = self.instance.address


class MembershipFormSet(MembershipFormSetBase):
    def add_fields(self, form: forms.ModelForm[Membership], index: int | None) -> None:
        super().add_fields(form, index)
        # Moved to another organization, a membership would stay in the groups of the old one.
        if "organization" in form.fields:
            form.fields["organization"].disabled = form.instance.pk is not None


def elsewhere() -> str:
    """Return what stands where an organization is nobody's business."""
    return gettext("another organization")
