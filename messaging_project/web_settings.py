"""Where the web process listens, how others reach it, and what protects it."""

from urllib.parse import urlsplit

from messaging_project.environment import env, integer

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
