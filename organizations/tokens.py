"""The text of a token: made, taken apart and compared. Pure functions."""

import hashlib
import hmac
import secrets

SECRET_BYTES = 32
LOOKUP_CHARACTERS = 12


def generate(kind: str) -> str:
    """Return a new token: the kind (which secret scanners know it by), an underscore and 256 random bits in hex."""
    return f"{kind}_{secrets.token_hex(SECRET_BYTES)}"


def prefix(token: str) -> str:
    """Return the part of a token that finds its row and may be shown: the kind and the first 12 hex digits."""
    kind, _underscore, secret = token.rpartition("_")
    return f"{kind}_{secret[:LOOKUP_CHARACTERS]}"


def digest(token: str) -> str:
    """Return the SHA-256 of a token in hex. A slow hash would add nothing: the token is random, not a password."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def matches(token: str, stored_digest: str) -> bool:
    """Say in constant time whether `stored_digest` is that of `token`."""
    return hmac.compare_digest(digest(token), stored_digest)
