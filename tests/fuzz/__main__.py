"""`python -m tests.fuzz`: asks the real service for everything, tens of thousands of times, by its OpenAPI document;
and runs the tests for which hypothesis makes something up, with many times the examples of the suite.

Prints how often it asked for what, and what the service got wrong, with lines of curl that repeat it. The seed repeats
the run.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.service import free_port
from tests.messaging_project.signing import SHARED
from tests.sinks import HttpSink, MailSink

ROOT = Path(__file__).resolve().parent.parent.parent
CASES = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help=f"ask at least so often (default: {CASES})")
    parser.add_argument("--seed", type=int, help="repeats the run that printed it")
    parser.add_argument(
        "--examples", type=int, default=60, help="cases an operation and phase, each time (default: 60)"
    )
    parser.add_argument("--stay", action="store_true", help="keep the service up for the lines of curl until Ctrl-C")
    parser.add_argument(
        "principals", nargs="*", metavar="principal", help="who asks (default: everybody, and the tests are run too)"
    )
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(10**6)
    # All that was started is ended then too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    before = dict(os.environ)
    with ExitStack() as stack:
        # Beside the project: what PostgreSQL writes need not fit into the memory that /tmp may be.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".fuzz-", dir=ROOT)))
        set_environment(folder, stack.enter_context(closing(HttpSink())), stack.enter_context(closing(MailSink())))
        import django

        django.setup()
        from tests.fuzz.running import fuzz

        wrong = fuzz(folder, arguments)
    if not arguments.principals:
        wrong |= made_up(arguments.seed, before)
    return int(wrong)


def made_up(seed: int, environment: dict[str, str]) -> bool:
    """Run the tests that have examples made up; return whether one of them failed."""
    files = [path for path in sorted(Path(ROOT, "tests").rglob("test_*.py")) if "tests.examples" in path.read_text()]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--quiet",
            "--numprocesses",
            "2",
            f"--hypothesis-seed={seed}",
            *map(str, files),
        ],
        cwd=ROOT,
        env=environment | {"HYPOTHESIS_PROFILE": "nightly"},
    )
    return done.returncode != 0


def set_environment(folder: Path, sink: HttpSink, mails: MailSink) -> None:
    """Settings that stand before anything of Django is imported. What is sent goes to servers that take all of it."""
    port = free_port()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "messaging_project.settings",
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": "",
        "DEBUG": "off",
        "BIND": f"127.0.0.1:{port}",
        # Twilio signs the address at which it asks.
        "BASE_URL": f"http://127.0.0.1:{port}",
        "PYTHONUNBUFFERED": "1",
        "THROTTLE_TOKEN": "0",
        "THROTTLE_ADDRESS": "0",
        "GATEWAY_DEFAULT": "log:",
        "GATEWAY_APP": sink.url,
        "GATEWAY_PAGER": sink.url,
        "GATEWAY_EMAIL": "email:",
        "EMAIL_URL": mails.url,
        # Where those sinks and the hooks are.
        "ALLOWED_NETWORKS": "127.0.0.0/8",
        "GATEWAY_SECRET": SHARED,
        "TWILIO_AUTH_TOKEN": SHARED,
    }


if __name__ == "__main__":
    sys.exit(main())
