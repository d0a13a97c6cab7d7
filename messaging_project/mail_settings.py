"""How e-mail leaves the house."""

import os
from urllib.parse import urlsplit

from messaging_project.environment import env, parsed
from messaging_project.masking import Secret
from messaging_project.web_settings import BASE_URL

_email = parsed("EMAIL_URL", env.str("EMAIL_URL", default="smtp://localhost:25"), env.email_url_config)
# One of django-anymail's, for a mail service with an interface of its own; its settings are ANYMAIL_... then.
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default=_email["EMAIL_BACKEND"])
ANYMAIL = {
    name.removeprefix("ANYMAIL_"): Secret(value) for name, value in os.environ.items() if name.startswith("ANYMAIL_")
}
EMAIL_HOST = _email.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = Secret(_email.get("EMAIL_HOST_PASSWORD") or "")
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _email.get("EMAIL_FILE_PATH")
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"alarm@{urlsplit(BASE_URL).hostname or 'localhost'}")
