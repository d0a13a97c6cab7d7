"""Where the web process listens, how others reach it, and what protects it."""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from messaging_project.environment import env, integer, secret

PORT = integer("PORT", 8000)
BIND = env.str("BIND", default=f"127.0.0.1:{PORT}")
WEB_WORKERS = integer("WEB_WORKERS", 2)
BASE_URL = env.str("BASE_URL", default=f"http://localhost:{PORT}").rstrip("/")

# How many proxies of ours stand before the service and say in X-Forwarded-For who asks.
NUM_PROXIES = integer("NUM_PROXIES", 0)
# Who may read /metrics; without it, only who asks from this machine.
METRICS_TOKEN = secret("METRICS_TOKEN")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=sorted({urlsplit(BASE_URL).hostname or "localhost", "localhost", "127.0.0.1", "[::1]"})
)
CSRF_TRUSTED_ORIGINS = [BASE_URL]
X_FRAME_OPTIONS = "DENY"

# Where others reach it by https, nothing of the admin goes over http, and browsers are told so.
HTTPS = BASE_URL.startswith("https:")
# Whether a request came by https says the proxy; without one of ours, anybody could say so.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if NUM_PROXIES > 0 else None
# transport.py does it: of Django's own, every path is exempt, as it would turn in a circle behind a proxy that says
# nothing, and sends programs away with a token and without their body.
SECURE_SSL_REDIRECT = HTTPS and NUM_PROXIES > 0
SECURE_REDIRECT_EXEMPT = [""]
SECURE_HSTS_SECONDS = integer("HSTS_SECONDS", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.bool("HSTS_SUBDOMAINS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_SAMESITE = "Lax"
# With this name browsers take a cookie from this host alone, and only by https.
_cookie = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME, BROWSER_COOKIE_NAME = (
    f"{_cookie}{name}" for name in ("sessionid", "csrftoken", "browser")
)
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = integer("SESSION_HOURS", 12) * 3600

# Whether staff may (optional) or must (required) have a second factor.
SECOND_FACTOR = env.str("SECOND_FACTOR", default="optional")
if SECOND_FACTOR not in ("optional", "required"):
    raise ImproperlyConfigured("SECOND_FACTOR: must be optional or required")
ROOT_URLCONF = "messaging_project.urls"
WSGI_APPLICATION = "messaging_project.wsgi.application"
APPEND_SLASH = False
LOGIN_REDIRECT_URL = "admin:index"
CSRF_FAILURE_VIEW = "messaging_project.errors.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# A group with thousands of members is one form of the admin.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
