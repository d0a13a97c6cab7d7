import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.messaging_project.embedded import NOBODY, PATIENCE, ROOT, Server, Start


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
