"""A service whose every secret can be recognised, wherever it turns up."""

from __future__ import annotations

import base64
import json
import secrets as random
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import psutil
from django.db import connection

from organizations.models import Organization, User
from tests.messaging_project import signing
from tests.organizations.test_jwt import AUDIENCE, ISSUER, claims, sign
from tests.processes import Processes, url_of_the_test_database


class Secrets:
    """Makes secrets, each of which has its name in it, and finds them."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def new(self, name: str) -> str:
        return self.add(name, f"5ecr3t{name}{random.token_hex(16)}")

    def add(self, name: str, text: str) -> str:
        self.known[name] = text
        return text

    def found_in(self, text: str, *, but: Iterable[str] = ()) -> list[str]:
        """Return the names of those that stand in a text, however they are encoded; of a token its second half."""
        return [name for name, secret in self.known.items() if name not in but and any_of(secret, text)]


def any_of(secret: str, text: str) -> bool:
    forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode()}
    # What is known of a token (the beginning, which finds it) is none.
    return any(form in text for form in forms) or (len(secret) > 40 and secret[len(secret) // 2 :] in text)


def environment(secrets: Secrets, *, sink: str, mail: int, refusing: int) -> dict[str, str]:
    """Return settings of which each that can hold a secret does; the gateways refuse, each in a way of its own."""
    user, new = "alarm", secrets.new
    return {
        "DATABASE_URL": url_of_the_test_database().replace("@", f":{new('database')}@", 1),
        "SECRET_KEY": new("key"),
        "ENCRYPTION_KEYS": f"{new('encryption')},{new('oldencryption')}",
        "GATEWAY_PAGER": f"http://{user}:{new('userinfo')}@{sink}/403/{new('path')}?token={new('query')}"
        f" json://{user}:{new('apprise')}@{sink}/503/{{address}}?:key={new('field')}",
        "GATEWAY_SMS": f"twilio+sms://AC1:{new('twilio')}@{sink}/+4930?scheme=http"
        f" https://{user}:{new('refused')}@127.0.0.1:{refusing}/{{address}}",
        "GATEWAY_CALL": f"smpp://{user}:{new('smpp')}@127.0.0.1:{refusing}/493012345678/{{address}}",
        "GATEWAY_EMAIL": "email:",
        "EMAIL_URL": f"smtp://{user}:{new('mail')}@127.0.0.1:{mail}",
        "ANYMAIL_WEBHOOK_SECRET": f"alarm:{new('anymail')}",
        "GATEWAY_SECRET": new("gateway"),
        "TWILIO_AUTH_TOKEN": new("twilioauth"),
        "METRICS_TOKEN": new("metrics"),
        "HEARTBEAT_URL": f"http://127.0.0.1:{refusing}/{new('heartbeat')}",
        "JWT_KEY": new("jwt"),
        "JWT_ALGORITHM": "HS256",
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "DEFAULT_ESCALATION": "app:0,pager:0,email:0,sms:0,call:0",
        "LOG_LEVEL": "DEBUG",
    }


@contextmanager
def broken_database() -> Iterator[None]:
    """Let a column be gone meanwhile: what asks for it is told so, with what it has asked."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE alarms_alarmmessage RENAME code TO gone")
        yield
        cursor.execute("ALTER TABLE alarms_alarmmessage RENAME gone TO code")


def dump() -> str:
    """Return every row of every table as text, but for the codes of recipients, which are kept to be found."""
    rows: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            columns = [f'"{column.name}"' for column in connection.introspection.get_table_description(cursor, table)]
            kept = ", ".join(column for column in columns if (table, column) != ("alarms_alarmmessage", '"code"'))
            cursor.execute(f'SELECT ROW({kept})::text FROM "{table}"')  # noqa: S608 - of the catalog
            rows += [f"{table}: {row}" for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def command_lines() -> str:
    family = psutil.Process().children(recursive=True)
    return "\n".join(" ".join(process.cmdline()) for process in family if process.status() != psutil.STATUS_ZOMBIE)


class Asking:
    """Asks a running service in many ways, right and wrong, and keeps all that it answers."""

    def __init__(self, processes: Processes, secrets: Secrets) -> None:
        self.processes, self.secrets = processes, secrets
        self.answers: list[tuple[str, str]] = []

    def ask(self, path: str, body: object = None, *, method: str = "", **headers: str) -> tuple[int, str]:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            f"{self.processes.url}{path}",
            content,
            {"Content-Type": "application/json"} | named,
            method=method or ("GET" if body is None else "POST"),
        )
        try:
            answer: Any = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = f"{answer.headers}\n{answer.read().decode()}"
        self.answers.append((path, text))
        return answer.status, text

    def everything(self, organization: Organization, user: User, token: str, own: str, code: str) -> None:
        """`token` is of the organization, `own` of the user, `code` of the recipient's page."""
        jwt = self.secrets.add("signed", sign(claims(user.login), "HS256", self.secrets.known["jwt"]))
        forged = self.secrets.add("forged", sign(claims(user.login), "HS256", "x" * 40))
        by = {"API_TOKEN": token}
        for headers in (by, {"Personal_Access_Token": own}, {"Authorization": f"Bearer {jwt}"}):
            for path in ("user", "users?organization=x", f"hooks?organization={organization.pk}", "nothing"):
                self.ask(f"/api/v1/{path}", **headers)
            self.ask("/api/v1/alarm", b'{"organizationID": ', **headers)
            self.ask("/api/v1/msg/send", {"message": 7}, **headers)
        wrong = (f"{token}0", token[:-1], token.replace("org", "pat"), f"\u00e4{token}", f"{token}, {token}")
        for text in wrong:
            self.ask("/api/v1/user", API_TOKEN=text.encode().decode("latin1"))
        self.ask("/api/v1/user", Authorization=f"Bearer {forged}")
        self.ask("/api/v1/user", API_TOKEN=token, Personal_Access_Token=own)
        self.ask("/metrics", Authorization=f"Bearer {self.secrets.known['metrics']}")
        self.ask("/metrics", Authorization=f"Bearer {token}")
        self.by_gateways(code)
        for path in ("/health", f"/admin/{token}", f"/api/v1/alarm/{token}", "/api/schema", "/admin/login/"):
            self.ask(path)

    def by_gateways(self, code: str) -> None:
        """Ask as gateways do, and as recipients."""
        known = self.secrets.known
        body = json.dumps({"messageId": "x", "status": "delivered"}).encode()
        for secret in (known["gateway"], "wrong"):
            self.ask("/api/v1/messagestatus/receipt", body, **signed(signing.of_gateway(body, secret)))
        basic = base64.b64encode(f"alarm:{known['anymail']}".encode()).decode()
        for path in ("postmark", "mailgun"):
            self.ask(f"/anymail/{path}/tracking/", b"{", Authorization=f"Basic {basic}")
        self.on_the_phone(code)
        self.ask(f"/a/{code}", b"response=maybe", Content_Type="application/x-www-form-urlencoded")
        self.ask(f"/a/{code}", method="PUT")

    def on_the_phone(self, code: str) -> int:
        form = urlencode({"AccountSid": "AC1", "CallSid": "CA1", "From": "+49301", "Digits": "7"}).encode()
        path = f"/api/v1/inbound/twilio/voice/{code}"
        headers = signing.of_twilio(f"{self.base_url}{path}", form, self.secrets.known["twilioauth"])
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        self.ask(path, form, **kind, X_Twilio_Signature="wrong")
        return self.ask(path, form, **kind, **signed(headers))[0]

    @property
    def base_url(self) -> str:
        return self.processes.environment["BASE_URL"]


def signed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}
