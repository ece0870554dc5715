"""The client's address, with trusted proxies taken off from the right."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Scope

from generalbots_api.web.head import Head

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNKNOWN = "unknown"
"""A peer without an address, as on a Unix socket; all of them share one budget."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Reads addresses. Source: contract, "Rate limiting"."""

    trusted: tuple[Network, ...]
    unlimited: tuple[Network, ...]

    @classmethod
    def of(cls, trusted: Sequence[str], unlimited: Sequence[str]) -> Addresses:
        def networks(texts: Sequence[str]) -> tuple[Network, ...]:
            return tuple(ipaddress.ip_network(text, strict=False) for text in texts)

        return cls(networks(trusted), networks(unlimited))

    def client(self, scope: Scope, head: Head) -> str:
        """The address of the client, or `UNKNOWN`."""
        peer = scope.get("client")
        address = str(peer[0]) if peer and peer[0] else UNKNOWN
        if not self.trusted or not head.forwarded_for or not is_in(address, self.trusted):
            return address
        hops = [hop.strip() for hop in b",".join(head.forwarded_for).decode("latin-1").split(",")]
        for hop in reversed(hops):
            bare = _without_port(hop)
            if bare is None:
                return address  # what a trusted proxy wrote ends here; the rest is the client's invention
            address = bare
            if not is_in(address, self.trusted):
                break
        return address

    def is_unlimited(self, address: str) -> bool:
        return bool(self.unlimited) and is_in(address, self.unlimited)


def budget_of(address: str) -> str:
    """What shares one budget: an IPv4 address, an IPv6 /64 network."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)).network_address) + "/64"


def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in network for network in networks if network.version == (mapped or ip).version)


def _without_port(hop: str) -> str | None:
    """`1.2.3.4`, `1.2.3.4:567`, `::1` and `[::1]:567` as an address; anything else is None."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return None
