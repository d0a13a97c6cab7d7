from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from organizations.models import Organization, User
from tests import factories

pytestmark = pytest.mark.django_db

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"


def csv(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


@pytest.fixture
def organization() -> Organization:
    created: Organization = factories.OrganizationFactory(name="Wehr")
    return created


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs the command with a file of the given content and returns what it prints."""

    def import_file(data: bytes, organization: str = "Wehr", *options: str) -> str:
        path, out = tmp_path / "members.csv", io.StringIO()
        path.write_bytes(data)
        call_command("import_members", organization, str(path), *options, stdout=out)
        return out.getvalue()

    return import_file


def test_the_rows_are_printed_as_login_and_id_in_the_order_of_the_file(
    organization: Organization, run: Callable[..., str]
) -> None:
    factories.member(organization, login="berta")
    printed = run(csv("zoe,,,,,,,,,,", "berta,,,,,,,,,,", "anna,,,,,,,,,,"))
    ids = dict(User.objects.values_list("login", "pk"))
    assert printed == f"zoe,{ids['zoe']}\nberta,{ids['berta']}\nanna,{ids['anna']}\n"


def test_every_bad_row_is_a_line_of_the_error_and_nothing_is_imported(
    organization: Organization, run: Callable[..., str]
) -> None:
    with pytest.raises(CommandError) as refused:
        run(csv("anna,,,,,,,,,,", "an na,,,,,,,,,,", "berta,,,,,chief,,,,,"))
    summary, *problems = str(refused.value).splitlines()
    assert summary.endswith("members.csv: nothing was imported.")
    assert problems == [
        "line 3, login: Letters, digits and @ . + - _ only.",
        "line 4, role: Value 'chief' is not a valid choice.",
    ]
    assert not User.objects.exists()


def test_a_file_of_headers_only_imports_nothing_and_is_no_error(
    organization: Organization, run: Callable[..., str]
) -> None:
    assert run(HEADER.encode()) == ""
    assert not User.objects.exists()


def test_a_file_of_more_than_ten_mebibytes_is_refused(organization: Organization, run: Callable[..., str]) -> None:
    row = f"anna,{'a' * 10 * 1024 * 1024},,,,,,,,,"
    with pytest.raises(CommandError, match="the file: larger than 10 MiB"):
        run(csv(row))
    assert not User.objects.exists()


def test_the_organization_is_found_by_its_id(organization: Organization, run: Callable[..., str]) -> None:
    run(csv("anna,,,,,,,,,,"), str(organization.pk))
    assert organization.memberships.get().user.login == "anna"


def test_an_unknown_organization_is_refused_without_create_and_made_with_it(run: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match=r"\AThere is no organization 'Wehr Ost'\.\Z"):
        run(csv("anna,,,,,,,,,,"), "Wehr Ost")
    assert not Organization.objects.exists()
    run(csv("anna,,,,,,,,,,"), "Wehr Ost", "--create")
    run(csv("berta,,,,,,,,,,"), "Wehr Ost", "--create")
    assert Organization.objects.get().name == "Wehr Ost"
    assert set(Organization.objects.values_list("memberships__user__login", flat=True)) == {"anna", "berta"}


def test_create_makes_no_organization_for_a_bad_file_or_with_a_bad_name(run: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="line 2, role"):
        run(csv("anna,,,,,chief,,,,,"), "Wehr Ost", "--create")
    with pytest.raises(CommandError, match=r"organization: .*at most 200 characters"):
        run(csv("anna,,,,,,,,,,"), "W" * 201, "--create")
    with pytest.raises(CommandError, match=r"organization: .*cannot be blank"):
        run(csv("anna,,,,,,,,,,"), "", "--create")
    assert not Organization.objects.exists()


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_one_line(organization: Organization, tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match=r"\A[^\n]+: (No such file|Is a directory)[^\n]*\Z"):
        call_command("import_members", "Wehr", str(tmp_path / name))
