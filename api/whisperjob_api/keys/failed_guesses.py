"""Slows those who try keys: after some wrong ones, a network address must wait. Pure, with the time given.

- A key that `whisperjob keys` made is looked up however many wrong ones came before it. Its 256 bits cannot be guessed,
  so nothing is gained by refusing it, and its owner behind the same address (NAT, a proxy) is never shut out.
- A key that an operator chose may be easy to guess. From an address that must wait it is not looked up at all, or the
  answer would still tell a right guess from a wrong one. Exempt is a key that was right at this address before.
"""

import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

FAILURES_A_MINUTE: Final = 30
"""Wrong keys of one address that are answered as such: a program that polls with a wrong key every two seconds is told
so each time."""
MAX_ADDRESSES: Final = 10_000
"""Addresses, and pairs of address and key, that are remembered: two megabytes. The oldest give way."""

_SECONDS_EACH: Final = 60 / FAILURES_A_MINUTE
_V6_BITS: Final = 64
"""One household or one machine has so many bits of IPv6 addresses for itself."""


class FailedGuesses:
    """Counts wrong keys by address, as a token bucket: each address has its failures of a minute at once."""

    def __init__(self, max_addresses: int = MAX_ADDRESSES) -> None:
        self._max = max_addresses
        self._debts: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Failures that are not forgiven yet, and when that was so."""
        self._proved: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def wait_seconds(self, address: str, now: float) -> int:
        """Returns how long this address must wait before another guess; 0 if it need not. `now` is monotonic."""
        missing = self._debt(address, now) - (FAILURES_A_MINUTE - 1)
        return math.ceil(missing * _SECONDS_EACH) if missing > 0 else 0

    def count_failure(self, address: str, now: float) -> None:
        """Counts a wrong key."""
        self._debts[address] = (min(self._debt(address, now) + 1, FAILURES_A_MINUTE), now)
        _trim(self._debts, address, self._max)

    def is_proved(self, address: str, digest: bytes) -> bool:
        """Returns whether the key with this hash was right at this address before."""
        return (address, digest) in self._proved

    def prove(self, address: str, digest: bytes) -> None:
        """Remembers that the key with this hash is right at this address."""
        self._proved[address, digest] = None
        _trim(self._proved, (address, digest), self._max)

    def _debt(self, address: str, now: float) -> float:
        debt, since = self._debts.get(address, (0.0, now))
        return max(0.0, debt - (now - since) / _SECONDS_EACH)

    def __len__(self) -> int:
        return len(self._debts) + len(self._proved)


def to_bucket(address: str | None) -> str:
    """Returns what counts as one address: an IPv4 address, or an IPv6 network of 64 bits."""
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    return str(ip_network((parsed, _V6_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address


def _trim(entries: OrderedDict[K, V], latest: K, limit: int) -> None:
    entries.move_to_end(latest)
    while len(entries) > limit:
        entries.popitem(last=False)
