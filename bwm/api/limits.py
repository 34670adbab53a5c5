"""Who may ask how much: counted in memory by address, within fixed room, so that counting is no way to fill it."""

from collections import OrderedDict
from collections.abc import Callable

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
