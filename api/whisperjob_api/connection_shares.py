"""Which connection is closed for another when no more may be open: the one of the address that holds most. Pure.

Every client's address has a share. A crowd behind one address, or one program that opens connections and leaves them
idle, meets its own limit and nobody else's. A connection on which the service works is never closed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, ip_network

from whisperjob_api.client_address import Network, is_in, parse_address

_IPV6_PREFIX_BITS = 64
"""One household or server has a network of this size, and as many addresses as it likes."""


class Activity(IntEnum):
    """What a connection is doing, in the order in which connections of one address are closed."""

    IDLE = 0
    """No request is on its way."""
    HEAD = 1
    """The head of a request has begun to arrive."""
    STALLED = 2
    """The client does not send what it announced, or does not read the response."""
    BUSY = 3
    """The service works, or bytes flow."""


@dataclass(frozen=True, slots=True)
class HeldConnection:
    """An open connection. `owner` has its share (see `find_owner`); `since` is when it last made progress, seconds."""

    owner: str | None
    activity: Activity
    since: float


def find_owner(peer: str | None, trusted: Sequence[Network]) -> str | None:
    """Returns whose share the connections of this address count in; None for a trusted proxy, which has no share.

    A proxy's connections are those of many clients.
    """
    address = parse_address(peer)
    if address is None or is_in(address, trusted):
        return None
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX_BITS), strict=False))
    return str(address)


def choose_to_close(held: Sequence[HeldConnection], newcomer: str | None) -> int | None:
    """Returns the index of the connection that is closed for a new one, None if the new one has to be refused.

    Idle ones give way to owners that hold no more than they do, stalled ones only to owners that hold fewer.
    """
    counts = Counter([*(one.owner for one in held), newcomer])
    counts[None] = 1  # each connection of a proxy counts by itself

    def may_close(one: HeldConnection) -> bool:
        if one.activity is Activity.STALLED:
            return counts[one.owner] > counts[newcomer]
        return one.activity is not Activity.BUSY and counts[one.owner] >= counts[newcomer]

    def rank(index: int) -> tuple[int, Activity, float]:
        return -counts[held[index].owner], held[index].activity, held[index].since

    return min((index for index, one in enumerate(held) if may_close(one)), key=rank, default=None)
