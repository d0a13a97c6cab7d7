"""How gateways and Twilio sign what they send, without anything of the service."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl

# With which both sign where the OpenAPI document is gone through.
SHARED = "shared with the service"


def of_gateway(body: bytes, secret: str) -> dict[str, str]:
    """Sign a body as a gateway of the service does (contract 7)."""
    return {"X-Signature": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


def of_twilio(url: str, form: bytes, token: str) -> dict[str, str]:
    """Sign a form for a URL as Twilio does."""
    pairs = parse_qsl(form.decode(errors="replace"), keep_blank_values=True)
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": base64.b64encode(digest).decode()}
