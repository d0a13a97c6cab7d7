"""`python -m benchmarks`: measures the service beside its limits, and writes bench.json and bench.png."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import tempfile
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    # By the module that measures it. Nothing of Django may be imported before the settings stand.
    "first_message": "sending",
    "one_alarm": "sending",
    "raising": "asking",
    "small_alarms": "sending",
    "hanging_addresses": "sending",
    "mails": "sending",
    "large_alarm": "large_alarm",
    # Last: it empties the tables and leaves them full.
    "full_tables": "full_tables",
}
OPEN_FILES = 4096
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works: the figures mean nothing")
    parser.add_argument(
        "--output", type=Path, default=ROOT / ".bench", help="the folder for bench.json and bench.png (default: .bench)"
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure: {', '.join(PARTS)} (default: all)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    for number in ENDING:
        signal.signal(number, end)
    allow_open_files()
    # Beside the project, not in /tmp, which may be a memory disk: a commit has to reach a real one.
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as folder:
        try:
            measure(Path(folder), arguments)
        finally:
            leave_undisturbed()
            end_children()


def end(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave as after an error: all that was started is ended, and the folder removed."""
    leave_undisturbed()
    raise SystemExit(128 + number)


def leave_undisturbed() -> None:
    """Ignore further signals: tidying up takes seconds."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def end_children() -> None:
    """End what a signal has found half started, and so nobody knows of."""
    import psutil

    children = psutil.Process().children()
    for child in children:
        # PostgreSQL does not wait for its clients then.
        child.send_signal(signal.SIGINT)
    _gone, alive = psutil.wait_procs(children, timeout=10)
    for child in alive:
        child.kill()


def allow_open_files() -> None:
    """Let this process and those that it starts have some hundreds of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        # No limit may be a negative number.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if 0 <= hard < OPEN_FILES else OPEN_FILES, hard))


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    """Measure in a folder, with settings that stand before anything of Django is imported."""
    from benchmarks.service import free_port
    from benchmarks.sink_client import Sink
    from benchmarks.sizes import FULL, QUICK

    sizes, port = QUICK if arguments.quick else FULL, free_port()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": "",
        "DEBUG": "off",
        "BIND": f"127.0.0.1:{port}",
        "PYTHONUNBUFFERED": "1",
        "THROTTLE_TOKEN": "0",
        "THROTTLE_ADDRESS": "0",
    }
    with closing(Sink(hangs=sizes.hangs)) as sink:
        os.environ |= {
            "GATEWAY_APP": sink.url,
            "GATEWAY_EMAIL": "email:",
            "EMAIL_URL": f"smtp://127.0.0.1:{sink.mail_port}",
        }
        import django

        django.setup()
        from benchmarks.running import run

        run(
            {part: module for part, module in PARTS.items() if part in (arguments.parts or PARTS)},
            folder=folder,
            sink=sink,
            sizes=sizes,
            port=port,
            output=arguments.output,
        )


if __name__ == "__main__":
    main()
