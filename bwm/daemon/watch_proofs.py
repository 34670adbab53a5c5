"""Whether every channel has shown lately that it works: by a delivery, or by a test that somebody asked for."""

from collections.abc import Callable

from bwm.clock import Clock
from bwm.config import Config
from bwm.daemon.watch_health import HealthWatch
from bwm.db import channel_outcomes, outbox, settings

_LOOK_EVERY_S = 60.0


def note_proof(channel: str, now: int) -> None:
    """Its receiver took a message just now, whatever became of those before."""
    settings.write(f"proved/{channel}", str(now))
    channel_outcomes.note(channel, None)


def proved_at(channel: str) -> int | None:
    """When its receiver last took a message (unix seconds); None: never."""
    noted = settings.read(f"proved/{channel}")
    found = [at for at in (outbox.last_delivered_at(channel), int(noted) if noted else None) if at is not None]
    return max(found, default=None)


def is_unproved(channel: str, within_s: int, now: int) -> bool:
    """Whether it has shown nothing for so long. A new one has that long to show it."""
    known = [at for at in (proved_at(channel), _known_since(channel)) if at is not None]
    return bool(known) and now - max(known) > within_s


def _known_since(channel: str) -> int | None:
    noted = settings.read(f"known/{channel}")
    return int(noted) if noted else None


class ProofWatch:
    """Has it told, on the others as well, when a channel is unproved. Driven by the loop that writes."""

    def __init__(self, config: Config, clock: Clock, health: HealthWatch, on_working: Callable[[str], object]) -> None:
        """``on_working`` hears of channels that work: a test may have shown it, with nothing left to deliver."""
        self._on_working = on_working
        self._config = config
        self._clock = clock
        self._health = health
        self._due = 0.0  # on the monotonic clock

    def look(self) -> None:
        """Every minute. Raises DatabaseUnwritable."""
        if self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + _LOOK_EVERY_S
        now, within_s = self._clock.now(), self._config.alerts.prove_every_s
        for channel in self._config.channels:
            if not channel_outcomes.is_failing(channel.name):
                self._on_working(channel.name)
            if _known_since(channel.name) is None:
                settings.write(f"known/{channel.name}", str(now))
            if is_unproved(channel.name, within_s, now):
                self._health.begin(f"unproved/{channel.name}", f"for {within_s // 86400} days or more")
            else:
                self._health.end(f"unproved/{channel.name}")
