"""Ways of doing the same thing, timed side by side. Only ratios travel from one machine to another."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Speed:
    """How one way did."""

    seconds: float  # its best round
    median_seconds: float
    ratio: float  # how many times faster than the yardstick, best round against best round
    median_ratio: float  # the same for the median rounds

    @property
    def is_noisy(self) -> bool:
        """True if the machine was too busy for the ratio to mean much: run it again."""
        return abs(self.ratio - self.median_ratio) > self.ratio / 10


def race(
    ways: Mapping[str, Callable[[], object]], rounds: int = 7, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Speed]:
    """Run every way once in each round. The first is the yardstick.

    ``clock``: ``time.thread_time`` counts what this thread worked, and not what it waited for a busy processor.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = clock()
            way()
            times[name].append(clock() - begin)
    yardstick = next(iter(times.values()))
    return {
        name: Speed(min(own), median(own), min(yardstick) / min(own), median(yardstick) / median(own))
        for name, own in times.items()
    }
