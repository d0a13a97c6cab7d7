from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Run the whole service under a supervisor: database, web, worker and sender. Ctrl-C ends it."

    def handle(self, *args: Any, **options: Any) -> None:
        check_port(settings.BIND)
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        environment = {
            "BIND": settings.BIND,
            "DATA_DIR": str(settings.DATA_DIR),
            "EMBEDDED_DATABASE": str(settings.EMBEDDED_DATABASE).lower(),
            "PYTHON": sys.executable,
            "PYTHONUNBUFFERED": "1",
            "SERVICE_USER": pwd.getpwuid(os.geteuid()).pw_name,
            "WEB_WORKERS": str(settings.WEB_WORKERS),
            # Ways without a setting are shown rather than silent (contract 7).
            "GATEWAY_DEFAULT": os.environ.get("GATEWAY_DEFAULT", "log:"),
        }
        own_the_output()
        os.chdir(settings.BASE_DIR)
        os.execve(  # noqa: S606 - the supervisor takes this process's place, so that it gets Ctrl-C itself
            sys.executable,
            [sys.executable, "-m", "supervisor.supervisord", "--configuration", "supervisord.conf"],
            os.environ | environment,
        )


def own_the_output() -> None:
    """Put a pipe between the supervisor and the terminal.

    The supervisor opens its standard output by name once more for each process, which is refused where the terminal is
    another user's (after `su`) or no file at all (a socket). In a session of its own, so that Ctrl-C does not end it
    before the last line.
    """
    sys.stdout.flush()
    output = subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True)  # noqa: S607 - in every PATH
    assert output.stdin is not None
    os.dup2(output.stdin.fileno(), sys.stdout.fileno())


def check_port(bind: str) -> None:
    """Raise a CommandError if nothing can listen there, rather than let the web process try for ever."""
    host, _colon, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise CommandError(f"Cannot listen at {bind}: {error.strerror}. Set PORT to a free one.") from error
