"""The commands of contract 8 as a shell runs them: what they print is all that stands on standard output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from organizations.models import ApiToken, PersonalAccessToken, User
from tests.processes import ROOT, url_of_the_test_database

pytestmark = pytest.mark.django_db(transaction=True)

MEMBERS = """login;first_name;last_name;email;language;role;groups;app;pager;sms;call
zoe;Zoë;Zimmer;zoe@example.org;de;admin;"Süd;Nord";;;+491511;
anna;Anna;Arndt;;;;;;1204711;;
"""

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def manage() -> Shell:
    """Runs manage.py on the test database."""
    environment = os.environ | {"DATABASE_URL": url_of_the_test_database()}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def test_what_a_shell_catches_is_the_token_or_the_ids_and_nothing_else(manage: Shell, tmp_path: Path) -> None:
    file = tmp_path / "members.csv"
    file.write_text(MEMBERS, encoding="utf-8-sig")
    imported = manage("import_members", "Wehr Süd", file, "--create")
    ids = dict(User.objects.values_list("login", "pk"))
    assert (imported.returncode, imported.stdout) == (0, f"zoe,{ids['zoe']}\nanna,{ids['anna']}\n"), imported.stderr
    for command, owner, kind, model in (
        ("issue_api_token", "Wehr Süd", "ga_org", ApiToken),
        ("issue_personal_access_token", "zoe", "ga_pat", PersonalAccessToken),
    ):
        issued = manage(command, owner, "--name", "desk", "--expires-in-days", 90)
        assert issued.returncode == 0, issued.stderr
        assert re.fullmatch(rf"{kind}_[0-9a-f]{{64}}\n", issued.stdout)
        assert issued.stdout.strip() not in issued.stderr
        assert issued.stdout.startswith(model.objects.get().prefix)


def test_what_is_wrong_is_told_on_standard_error_in_lines_without_a_traceback(manage: Shell, tmp_path: Path) -> None:
    file = tmp_path / "members.csv"
    file.write_text(MEMBERS.replace("admin", "chief").replace("anna;", "an na;"))
    refused = manage("import_members", "Wehr Süd", file, "--create")
    assert (refused.returncode, refused.stdout) == (1, "")
    lines = refused.stderr.splitlines()
    assert [line.partition(",")[0] for line in lines[-2:]] == ["line 2", "line 3"]
    assert "Traceback" not in refused.stderr
    assert not User.objects.exists()
