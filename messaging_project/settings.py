"""Every setting, read from the environment (or a file `.env` beside manage.py); README.md lists them."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import environ
import pghistory
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from messaging_project.database_settings import CONNECTION
from messaging_project.desk_settings import desk_of
from messaging_project.log_settings import logging_of
from messaging_project.openapi_settings import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(str(BASE_DIR / ".env"))


def _integer(name: str, default: int) -> int:
    try:
        return int(env.str(name, default=str(default)))
    except ValueError:
        raise ImproperlyConfigured(f"{name}: must be a whole number") from None


def _secret(name: str) -> str:
    """Return a variable as it stands: of a value that begins with `$`, `env` makes the name of another variable."""
    return os.environ.get(name, "")


def _by_way(name: str, default: list[str]) -> list[tuple[str, int]]:
    """Return the ways of alarm of a list such as sms:60, each with its number; the system checks tell of -1, which
    stands for what is none."""
    entries = (entry.strip().partition(":") for entry in env.list(name, default=default))
    return [(way, int(number) if number.isdecimal() else -1) for way, _colon, number in entries]


DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data"))).expanduser().absolute()
PORT = _integer("PORT", 8000)
BIND = env.str("BIND", default=f"127.0.0.1:{PORT}")
WEB_WORKERS = _integer("WEB_WORKERS", 2)
BASE_URL = env.str("BASE_URL", default=f"http://localhost:{PORT}").rstrip("/")
DEBUG = env.bool("DEBUG", default=False)

# Database: the one that DATABASE_URL names, else the embedded one, of which only the address is derived here.

DATABASE_URL = env.str("DATABASE_URL", default="")
EMBEDDED_DATABASE = not DATABASE_URL
if EMBEDDED_DATABASE:
    from messaging_project.embedded_postgres import database_url

    DATABASE_URL = database_url(DATA_DIR)
DATABASES = {
    "default": {
        **env.db_url_config(DATABASE_URL),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL: only PostgreSQL is supported (postgres://user:password@host/name)")
DATABASES["default"]["OPTIONS"] = CONNECTION | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _secret_key() -> str:
    """Return SECRET_KEY, or the one kept in DATA_DIR/secret_key, made (0600) when it is first asked for."""
    if key := _secret("SECRET_KEY"):
        return key
    if not EMBEDDED_DATABASE:
        raise ImproperlyConfigured("SECRET_KEY is required where DATABASE_URL is set: every machine needs the same one")
    path = DATA_DIR / "secret_key"
    if not path.exists():
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"secret_key.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            # A link never replaces: of several processes that start at once, the first one's key stands.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


SECRET_KEY = _secret_key()

# What is kept encrypted (gateways of organizations, secrets of hooks): the first key writes, all of them read.
ENCRYPTION_KEYS = [key for each in os.environ.get("ENCRYPTION_KEYS", "").split(",") if (key := each.strip())] or [
    SECRET_KEY
]

# Web

# How many proxies of ours stand before the service and say in X-Forwarded-For who asks.
NUM_PROXIES = _integer("NUM_PROXIES", 0)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=sorted({urlsplit(BASE_URL).hostname or "localhost", "localhost", "127.0.0.1", "[::1]"})
)
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https:")
X_FRAME_OPTIONS = "DENY"
ROOT_URLCONF = "messaging_project.urls"
WSGI_APPLICATION = "messaging_project.wsgi.application"
APPEND_SLASH = False
LOGIN_REDIRECT_URL = "admin:index"
CSRF_FAILURE_VIEW = "messaging_project.errors.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# A group with thousands of members is one form of the admin.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

INSTALLED_APPS = [
    # First, so that its templates and texts stand before those of others.
    "messaging_project",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "messaging_project.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "pgtrigger",
    "pghistory",
    "anymail",
    "organizations",
    "escalations",
    "alarms",
    "inbox",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "messaging_project.api.english_api",
    "messaging_project.desk.strict_pages",
    "messaging_project.desk.spoken_language",
    "messaging_project.desk.local_times",
    "messaging_project.desk.author",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STATIC_URL = "/static/"
# Served straight from the installed packages: no collectstatic step that could be forgotten.
WHITENOISE_USE_FINDERS, WHITENOISE_AUTOREFRESH = True, False

AUTH_USER_MODEL = "organizations.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Languages and times

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English")), ("de", _("German"))]
# Catalogs beside those of the service: what is sent to inboxes may be a key of either.
LOCALE_PATHS = env.list("LOCALE_PATHS", default=[])
FORMAT_MODULE_PATH = ["messaging_project.formats"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True

# Admin

SITE_NAME = env.str("SITE_NAME", default="Alarm messaging")
UNFOLD = desk_of(name=SITE_NAME, colour=env.str("SITE_COLOR", default="#c2410c"))
# For how many hours a token that is replaced goes on.
TOKEN_OVERLAP_HOURS = _integer("TOKEN_OVERLAP_HOURS", 24)
# After how many days without a use a token is called forgotten.
TOKEN_FORGOTTEN_DAYS = _integer("TOKEN_FORGOTTEN_DAYS", 90)

# History of what administrators and programs change, written by triggers: each row tells who did it and from where.

PGHISTORY_DEFAULT_TRACKERS = (pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
PGHISTORY_CONTEXT_FIELD = pghistory.ContextJSONField()
PGHISTORY_CONTEXT_ID_FIELD = pghistory.ContextUUIDField()

# REST API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "organizations.authentication.ApiTokenAuthentication",
        "organizations.authentication.PersonalAccessTokenAuthentication",
        "organizations.authentication.JWTAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["messaging_project.parsers.JSONObjectParser"],
    "DEFAULT_RENDERER_CLASSES": ["messaging_project.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "messaging_project.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": NUM_PROXIES,
    "URL_FORMAT_OVERRIDE": None,
}

# JWT: the issuer of the tokens of `Authorization: Bearer` (contract 1); where none of these is set, there are none.

JWT_KEY = _secret("JWT_KEY")
if JWT_KEY.startswith("-----BEGIN"):
    JWT_KEY = JWT_KEY.replace("\\n", "\n")
JWT_JWKS_URL = env.str("JWT_JWKS_URL", default="")
JWT_ALGORITHM = env.str("JWT_ALGORITHM", default="")
JWT_ISSUER = env.str("JWT_ISSUER", default="")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="")

# Alarms

# The way of alarm and the seconds after the entry before it, for users without a configuration (contract 3).
DEFAULT_ESCALATION = _by_way("DEFAULT_ESCALATION", ["app:0", "pager:0", "email:0", "sms:60", "call:60"])
DEFAULT_RESPONSE_TIMEOUT = _integer("DEFAULT_RESPONSE_TIMEOUT", 900)

# How each way leaves the house: URLs separated by spaces, tried in this order (contract 7). GATEWAY_DEFAULT stands in
# for a variable that is not set at all; `make run` sets it to `log:`.
GATEWAYS = {
    way: env.str(f"GATEWAY_{way.upper()}", default=env.str("GATEWAY_DEFAULT", default="")).split()
    for way in ("app", "pager", "sms", "call", "email")
}
GATEWAY_SECRET = _secret("GATEWAY_SECRET")
GATEWAY_TIMEOUT = 10  # seconds

# Callbacks of Twilio are signed with it.
TWILIO_AUTH_TOKEN = _secret("TWILIO_AUTH_TOKEN")

# At most so many messages a minute to one device of a way; a way that is not named has no limit.
MESSAGES_PER_MINUTE = dict(_by_way("MESSAGES_PER_MINUTE", ["sms:10", "call:10"]))

# The country of phone numbers that are written without theirs, such as DE.
PHONE_REGION = env.str("PHONE_REGION", default="") or None

# Inbox

INBOX_RETENTION_MONTHS = _integer("INBOX_RETENTION_MONTHS", 12)

# E-mail

_email = env.email_url_config(env.str("EMAIL_URL", default="smtp://localhost:25"))
# One of django-anymail's, for a mail service with an interface of its own; its settings are ANYMAIL_... then.
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default=_email["EMAIL_BACKEND"])
ANYMAIL = {name.removeprefix("ANYMAIL_"): value for name, value in os.environ.items() if name.startswith("ANYMAIL_")}
EMAIL_HOST = _email.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _email.get("EMAIL_FILE_PATH")
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"alarm@{urlsplit(BASE_URL).hostname or 'localhost'}")

# Jobs

PROCRASTINATE_WORKER_DEFAULTS = {
    "fetch_job_polling_interval": 1.0,
    "update_heartbeat_interval": 2.0,
    "stalled_worker_timeout": 8.0,
    "delete_jobs": "successful",
    "shutdown_graceful_timeout": 5.0,
}

# Logs

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = logging_of(level=LOG_LEVEL, as_json=env.bool("LOG_JSON", default=False))
