"""Who sent a request, as far as that can be believed and may be kept. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from whisperjob.model.settings import ClientAddress

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_KEPT_BITS = {4: 24, 6: 48}
"""What a truncated address keeps: a neighbourhood, not a household."""


def client_address(
    peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network], kept: ClientAddress
) -> str | None:
    """The client's address in the form that may be kept, None if none may or none is known.

    `forwarded_for` holds the values of the X-Forwarded-For headers in order. Each trusted proxy appended its peer, so
    the list is read from the right until a hop is not one of ours; what stands left of it anybody could have made up.
    """
    if kept is ClientAddress.NONE:
        return None
    address = _parse(peer)
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while address is not None and hops and _is_in(address, trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = hop
    if address is None:
        return None
    return str(address) if kept is ClientAddress.FULL else _truncated(address)


def _parse(text: str | None) -> Address | None:
    """An address, also as `[v6]:port` or `v4:port`; an IPv4 address inside IPv6 is taken out."""
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


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _truncated(address: Address) -> str:
    return str(ip_network((address, _KEPT_BITS[address.version]), strict=False).network_address)
