"""Where hooks and gateways that organizations bring may connect to."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured

from messaging_project.environment import env


def networks(name: str, given: list[str]) -> list[IPv4Network | IPv6Network]:
    """Return networks such as 10.0.0.0/8; `*` stands for every one."""
    try:
        return [ip_network(each) for entry in given for each in (("0.0.0.0/0", "::/0") if entry == "*" else (entry,))]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}; write networks such as 10.0.0.0/8,fd00::/8") from None


# Beside the public internet, which always is.
ALLOWED_NETWORKS = networks("ALLOWED_NETWORKS", [entry.strip() for entry in env.list("ALLOWED_NETWORKS", default=[])])
