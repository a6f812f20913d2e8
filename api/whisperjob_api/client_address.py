"""The address of the client that sent a request, as far as it can be trusted and may be stored. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from whisperjob.model.settings import ClientAddress

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PREFIX_BITS = {4: 24, 6: 48}
"""How many bits of an address are stored when it is truncated: a neighbourhood, not a household."""


def resolve_client_address(
    peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network], precision: ClientAddress
) -> str | None:
    """Returns the client's address with the precision that may be stored; None if none may, or none is known.

    `forwarded_for` holds the values of the X-Forwarded-For headers in order. Each trusted proxy appended its peer, so
    the list is read from the right until a hop is no trusted proxy; the client can have made up what is left of it.
    """
    if precision is ClientAddress.NONE:
        return None
    address = parse_address(peer)
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while address is not None and hops and is_in(address, trusted):
        hop = parse_address(hops.pop())
        if hop is None:
            break
        address = hop
    if address is None:
        return None
    return str(address) if precision is ClientAddress.FULL else _truncate(address)


def parse_address(text: str | None) -> Address | None:
    """Parses an address, also as `[v6]:port` or `v4:port`; an IPv4 address inside IPv6 becomes IPv4."""
    if text is None:
        return None
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Returns whether the address is in one of the networks."""
    return any(address.version == network.version and address in network for network in networks)


def _truncate(address: Address) -> str:
    return str(ip_network((address, _PREFIX_BITS[address.version]), strict=False).network_address)
