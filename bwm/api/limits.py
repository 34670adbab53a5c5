"""Who may ask how much: counted in memory by address, within fixed room, so that counting is no way to fill it."""

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

LOCAL = "local"
"""Whoever asks from this machine."""

Hold = Callable[[int], bool]
"""Have so many bytes in hand from now on, all in all; False when there is no room for them."""

_ROOM = 10_000  # addresses that are remembered; the one that was quiet the longest is forgotten first


class Allowance:
    """So many, and more as time goes by: a bucket for each address, full at first."""

    def __init__(self, burst: float, per_second: float, monotonic: Callable[[], float]) -> None:
        self._burst = burst
        self._per_second = per_second
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and as of when

    def take(self, who: str, amount: float = 1) -> float:
        """0 when it is granted; else how many seconds to wait, and nothing is taken."""
        now = self._monotonic()
        left = self._now(who, now)
        if left < amount:
            self._keep(who, left, now)
            return max(0.1, (min(amount, self._burst) - left) / self._per_second)
        self._keep(who, left - amount, now)
        return 0

    def is_spent(self, who: str) -> bool:
        """Whether nothing is left. Takes nothing."""
        return self._now(who, self._monotonic()) < 1

    def _now(self, who: str, now: float) -> float:
        left, as_of = self._left.get(who, (self._burst, now))
        return min(self._burst, left + (now - as_of) * self._per_second)

    def _keep(self, who: str, left: float, now: float) -> None:
        self._left[who] = left, now
        self._left.move_to_end(who)
        while len(self._left) > _ROOM:
            self._left.popitem(last=False)


class Room:
    """Bytes that are in hand at the same time: of all callers together, and of each that is not this machine."""

    def __init__(self, total: int, of_one: int) -> None:
        self._total = total
        self._of_one = of_one
        self._held: Counter[str] = Counter()

    @contextmanager
    def part(self, who: str) -> Iterator[Hold]:
        """What one request has in hand, until it is answered."""
        held = 0

        def hold(size: int) -> bool:
            nonlocal held
            more = size - held
            if self._held.total() + more > self._total or (who != LOCAL and self._held[who] + more > self._of_one):
                return False
            self._held[who] += more
            held = size
            return True

        try:
            yield hold
        finally:
            self._held[who] -= held
            self._held += Counter()  # forgets who has none


@lru_cache(maxsize=4096)
def caller_at(address: str) -> str:
    """Who counts as one: an address, a network of IPv6, or LOCAL.

    A socket that listens on IPv6 and IPv4 at once shows an address of IPv4 as one of IPv6 (RFC 4291 §2.5.5.2): these
    are as many callers as there are addresses, and no network.
    """
    if not address:
        return LOCAL  # of a unix socket
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]  # what a server in front wrote that has ideas of its own
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return LOCAL
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
