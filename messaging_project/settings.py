"""Every setting, read from the environment (or a file `.env` beside manage.py); README.md lists them. Those of one
thing stand in modules of their own, such as web_settings.py."""

import os
import secrets
from pathlib import Path

import pghistory
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from messaging_project.database_settings import CONNECTION
from messaging_project.desk_settings import desk_of
from messaging_project.environment import BASE_DIR, by_way, env, integer, parsed, secret
from messaging_project.log_settings import logging_of
from messaging_project.mail_settings import *  # noqa: F403 - settings
from messaging_project.masking import Secret
from messaging_project.network_settings import ALLOWED_NETWORKS as ALLOWED_NETWORKS
from messaging_project.openapi_settings import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from messaging_project.web_settings import *  # noqa: F403 - settings
from messaging_project.web_settings import NUM_PROXIES

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data"))).expanduser().absolute()
DEBUG = env.bool("DEBUG", default=False)

# Database: the one that DATABASE_URL names, else the embedded one, of which only the address is derived here.

DATABASE_URL: str = Secret(env.str("DATABASE_URL", default=""))
EMBEDDED_DATABASE = not DATABASE_URL
if EMBEDDED_DATABASE:
    from messaging_project.embedded_postgres import database_url

    DATABASE_URL = database_url(DATA_DIR)
DATABASES = {
    "default": {
        **parsed("DATABASE_URL", DATABASE_URL, env.db_url_config),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL: only PostgreSQL is supported (postgres://user:password@host/name)")
DATABASES["default"]["PASSWORD"] = Secret(DATABASES["default"]["PASSWORD"])
DATABASES["default"]["OPTIONS"] = CONNECTION | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _secret_key() -> Secret:
    """Return SECRET_KEY, or the one kept in DATA_DIR/secret_key, made (0600) when it is first asked for."""
    if key := secret("SECRET_KEY"):
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
    return Secret(path.read_text())


SECRET_KEY = _secret_key()

# What is kept encrypted (gateways of organizations, secrets of hooks): the first key writes, all of them read.
ENCRYPTION_KEYS = [
    Secret(key) for each in os.environ.get("ENCRYPTION_KEYS", "").split(",") if (key := each.strip())
] or [SECRET_KEY]

# Web: beside web_settings.py

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
    "messaging_project.transport.https_only",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "messaging_project.transport.strict_answers",
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
# As NIST SP 800-63B has it: long, not known to everybody, not one's name; no rules of what has to be in it.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        (
            "UserAttributeSimilarityValidator",
            {"user_attributes": ("login", "first_name", "last_name", "email")},
        ),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
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
TOKEN_OVERLAP_HOURS = integer("TOKEN_OVERLAP_HOURS", 24)
# After how many days without a use a token is called forgotten.
TOKEN_FORGOTTEN_DAYS = integer("TOKEN_FORGOTTEN_DAYS", 90)

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
    "DEFAULT_THROTTLE_CLASSES": ["messaging_project.throttling.TokenThrottle"],
    "DEFAULT_PARSER_CLASSES": ["messaging_project.parsers.JSONObjectParser"],
    "DEFAULT_RENDERER_CLASSES": ["messaging_project.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "messaging_project.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": NUM_PROXIES,
    "URL_FORMAT_OVERRIDE": None,
}

# At most so many requests a minute with one token, and as many that change something; and from an address that does not
# say who asks. Each web process counts for itself; 0: no limit.
THROTTLE_TOKEN = integer("THROTTLE_TOKEN", 6000)
THROTTLE_ADDRESS = integer("THROTTLE_ADDRESS", 60)

# JWT: the issuer of the tokens of `Authorization: Bearer` (contract 1); where none of these is set, there are none.

JWT_KEY = secret("JWT_KEY")
if JWT_KEY.startswith("-----BEGIN"):
    JWT_KEY = Secret(JWT_KEY.replace("\\n", "\n"))
JWT_JWKS_URL = Secret(env.str("JWT_JWKS_URL", default=""))
JWT_ALGORITHM = env.str("JWT_ALGORITHM", default="")
JWT_ISSUER = env.str("JWT_ISSUER", default="")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="")

# Alarms

# The way of alarm and the seconds after the entry before it, for users without a configuration (contract 3).
DEFAULT_ESCALATION = by_way("DEFAULT_ESCALATION", ["app:0", "pager:0", "email:0", "sms:60", "call:60"])
DEFAULT_RESPONSE_TIMEOUT = integer("DEFAULT_RESPONSE_TIMEOUT", 900)

# How each way leaves the house: URLs separated by spaces, tried in this order (contract 7). GATEWAY_DEFAULT stands in
# for a variable that is not set at all; `make run` sets it to `log:`.
_default = env.str("GATEWAY_DEFAULT", default="")
GATEWAYS = {
    way: [Secret(url) for url in env.str(f"GATEWAY_{way.upper()}", default=_default).split()]
    for way in ("app", "pager", "sms", "call", "email")
}
GATEWAY_SECRET = secret("GATEWAY_SECRET")
GATEWAY_TIMEOUT = 10  # seconds

# Callbacks of Twilio are signed with it.
TWILIO_AUTH_TOKEN = secret("TWILIO_AUTH_TOKEN")

# At most so many messages a minute to one device of a way; a way that is not named has no limit.
MESSAGES_PER_MINUTE = dict(by_way("MESSAGES_PER_MINUTE", ["sms:10", "call:10"]))

# The country of phone numbers that are written without theirs, such as DE.
PHONE_REGION = env.str("PHONE_REGION", default="") or None

# After how many months what each device got and each answer are dropped; 0: never.
ALARM_RETENTION_MONTHS = integer("ALARM_RETENTION_MONTHS", 24)

# A monitor that is called each minute as long as all is well, and makes itself heard when that ends.
HEARTBEAT_URL = secret("HEARTBEAT_URL")

# Inbox

INBOX_RETENTION_MONTHS = integer("INBOX_RETENTION_MONTHS", 12)

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
DEFAULT_EXCEPTION_REPORTER_FILTER = "messaging_project.error_pages.ErrorPageFilter"
LOGGING = logging_of(level=LOG_LEVEL, as_json=env.bool("LOG_JSON", default=False))
