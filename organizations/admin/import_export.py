"""Members as CSV in the admin: out of it, and into it after a look at what would change."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from messaging_project import database
from messaging_project.encryption import CannotDecrypt
from organizations.admin.import_words import NAMED, summary_of, words_of
from organizations.desk import Desk, administered, administered_organizations
from organizations.exporting import export_members
from organizations.importing import MembersInvalid, OutcomeChanged, import_with_changes, preview_import
from organizations.members_csv import COLUMNS, MAX_BYTES
from organizations.models import MembersFile, Membership, Organization, User

if TYPE_CHECKING:
    DeskOfMembers = Desk[Membership]
    OrganizationField = forms.ModelChoiceField[Organization]
else:
    DeskOfMembers = Desk
    OrganizationField = forms.ModelChoiceField

IMPORT = "organizations_membership_import"
GONE = gettext_lazy("The file is not there any more: it is kept for an hour, and until another one is chosen.")
OTHERWISE = gettext_lazy(
    "Nothing was imported: something was changed meanwhile, and the import would now do something else than what was"
    " shown. This is what it would do now."
)


class UploadForm(forms.Form):
    organization = OrganizationField(
        Organization.objects.none(), label=gettext_lazy("Organization"), empty_label=gettext_lazy("Choose one")
    )
    file = forms.FileField(
        label=gettext_lazy("CSV file"), widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}), allow_empty_file=True
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("OrganizationField", self.fields["organization"])
        field.queryset = administered_organizations(request).order_by("name")
        for name in self.errors if self.is_bound else ():
            if name in self.fields:
                about = {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}
                self.fields[name].widget.attrs.update(about)

    def data_of_file(self) -> bytes:
        """Return the file, or as much of it as tells that it is too large."""
        content: bytes = self.cleaned_data["file"].read(MAX_BYTES + 1)
        return content


class ImportExport(DeskOfMembers):
    """The pages of it, beside the list of memberships."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=name)

        return [
            page("import/", self.upload, IMPORT),
            page("import/<uuid:file_id>/", self.look, f"{IMPORT}_preview"),
            page("export/<int:organization_id>/", self.export, "organizations_membership_export"),
            *super().get_urls(),
        ]

    def upload(self, request: HttpRequest) -> HttpResponse:
        """Choose an organization, to take its members out or to upload a file of them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = _only_or_asked_for(request)
        sent = (request.POST, request.FILES) if request.method == "POST" else ()
        form = UploadForm(request, *sent, initial={"organization": chosen})
        problems: MembersInvalid | None = None
        if request.method == "POST" and form.is_valid():
            chosen = form.cleaned_data["organization"]
            try:
                return self._keep(request, chosen, form.data_of_file())
            except MembersInvalid as error:
                problems = error
        return self._page(
            request, "import.html", _("Import and export members"), form=form, chosen=chosen, **_told(problems)
        )

    def _keep(self, request: HttpRequest, organization: Organization, data: bytes) -> HttpResponse:
        """Raises MembersInvalid."""
        preview_import(organization=organization, data=data, by=administered(request))
        file = MembersFile.keep(
            user_id=_user(request).pk, organization=organization, text=data.decode(), now=database.now()
        )
        return redirect(f"admin:{IMPORT}_preview", file.pk)

    def look(self, request: HttpRequest, file_id: uuid.UUID) -> HttpResponse:
        """Show what an uploaded file changes, and change it."""
        kept = MembersFile.objects.filter(pk=file_id, user=_user(request)).select_related("organization").first()
        data = _read(request, kept)
        if kept is None or data is None:
            messages.warning(request, GONE)
            return redirect(f"admin:{IMPORT}")
        if request.method == "POST":
            return self._decide(request, kept, data)
        try:
            changes = preview_import(organization=kept.organization, data=data, by=administered(request))
        except MembersInvalid as error:
            form = UploadForm(request, initial={"organization": kept.organization})
            title = _("Import and export members")
            return self._page(request, "import.html", title, form=form, chosen=kept.organization, **_told(error))
        # First what becomes of people who are there already: those are the changes to look at.
        ordered = sorted(changes.people, key=lambda change: (change.is_new, change.joins))
        shown = [words_of(change) for change in ordered[:NAMED]]
        title = _("What the import changes in %(organization)s") % {"organization": kept.organization}
        return self._page(
            request,
            "import_preview.html",
            title,
            changes=changes,
            file=kept,
            summary=summary_of(changes),
            shown=shown,
            more=len(changes.people) - len(shown),
            loses_own_role=any(change.login == _user(request).login and change.role for change in changes.people)
            and administered(request) is not None,
        )

    def _decide(self, request: HttpRequest, kept: MembersFile, data: bytes) -> HttpResponse:
        back = reverse(f"admin:{IMPORT}") + f"?organization={kept.organization_id}"
        if "import" not in request.POST:
            kept.delete()
            messages.info(request, _("Nothing was imported, and the file was deleted."))
            return HttpResponseRedirect(back)
        try:
            done = import_with_changes(
                organization=kept.organization,
                data=data,
                by=administered(request),
                agreed=request.POST.get("agreed", ""),
            )
        except (OutcomeChanged, MembersInvalid):
            messages.warning(request, OTHERWISE)
            return redirect(f"admin:{IMPORT}_preview", kept.pk)
        kept.delete()
        counts = {
            "organization": kept.organization,
            "new": done.changes.new_people,
            "changed": len(done.changes.people) - done.changes.new_people,
            "same": done.changes.unchanged,
        }
        told = _("Imported into %(organization)s. New people: %(new)d. Changed: %(changed)d. As they were: %(same)d.")
        messages.success(request, told % counts)
        members = reverse("admin:organizations_membership_changelist")
        return HttpResponseRedirect(f"{members}?organization__id__exact={kept.organization_id}")

    def export(self, request: HttpRequest, organization_id: int) -> HttpResponse:
        organization = administered_organizations(request).filter(pk=organization_id).first()
        if organization is None:
            messages.warning(request, _("There is no such organization."))
            return redirect(f"admin:{IMPORT}")
        name = f"members-{slugify(organization.name) or organization.pk}-{timezone.localdate()}.csv"
        return HttpResponse(
            export_members(organization=organization),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        request.current_app = self.admin_site.name
        shared = {"title": title, "columns": COLUMNS, "most": MAX_BYTES // 1024 // 1024}
        return TemplateResponse(
            request, f"organizations/desk/{template}", {**self.admin_site.each_context(request), **shared, **context}
        )


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _only_or_asked_for(request: HttpRequest) -> Organization | None:
    asked = request.GET.get("organization", "")
    organizations = administered_organizations(request).order_by("name")
    if asked.isdecimal() and len(asked) < 20:
        return organizations.filter(pk=asked).first()
    first = list(organizations[:2])
    return first[0] if len(first) == 1 else None


def _read(request: HttpRequest, kept: MembersFile | None) -> bytes | None:
    """Return the file, if the caller may still go on with it."""
    if kept is None or kept.created_at <= database.now() - MembersFile.KEPT_FOR:
        return None
    if not administered_organizations(request).filter(pk=kept.organization_id).exists():
        return None
    try:
        return kept.text().encode()
    except CannotDecrypt:
        return None


def _told(error: MembersInvalid | None) -> dict[str, Any]:
    problems = error.problems if error else []
    return {
        "problems": problems[:NAMED],
        "problem_count": len(problems),
        "more_problems": max(0, len(problems) - NAMED),
    }
