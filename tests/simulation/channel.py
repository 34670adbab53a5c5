"""A channel whose receiver may be away, refuse, hang up in the middle, or be cut off by the daemon's death."""

from dataclasses import dataclass
from random import Random

from bwm.channels.channel import Message
from bwm.errors import DeliverLater, DeliveryRefused, DeliveryUncertain
from tests.simulation.mortal import Reaper, VirtualClock


@dataclass(slots=True)
class Sending:
    """One attempt, as the receiver knows it."""

    message: Message
    at: int  # by the machine's clock
    true_at: float  # by a clock that nobody sets
    arrived: bool = False
    doubtful: bool = True  # whether the daemon cannot know how it ended; until it has recorded it, it cannot


def alerts_of(sending: Sending) -> tuple[str, ...]:
    """The alerts that it tells: several when it is a digest."""
    return tuple(entry.alert_id for entry in sending.message.entries) or (sending.message.alert_id,)


class SimChannel:
    """Keeps everything that was sent."""

    def __init__(self, name: str, clock: VirtualClock, reaper: Reaper, random: Random) -> None:
        self.name = name
        self.trouble = 0.0  # the chance that a delivery fails in one of its ways
        self.is_down = False
        self.sendings: list[Sending] = []
        self.counts: dict[str, int] = {}  # of what went wrong, by its name
        self._clock = clock
        self._reaper = reaper
        self._random = random

    def warm_up(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def deliver(self, message: Message) -> None:
        """Take the message, or not."""
        sending = Sending(message, self._clock.now(), self._clock.true)
        self.sendings.append(sending)
        self._reaper.point()
        if self.is_down or self._random.random() < self.trouble:
            self._fail(sending)
        sending.arrived = True
        self._reaper.point()
        sending.doubtful = False

    def _fail(self, sending: Sending) -> None:
        ways = ("later", "asked to wait", "refused", "uncertain", "faulty")
        way = "later" if self.is_down else self._random.choice(ways)
        self.counts[f"channel {way}"] = self.counts.get(f"channel {way}", 0) + 1
        match way:
            case "uncertain":
                sending.arrived = self._random.random() < 0.5
                raise DeliveryUncertain("cut off")
            case "faulty":
                sending.arrived = self._random.random() < 0.5
                raise RuntimeError("a bug in the channel")
        sending.doubtful = False
        match way:
            case "refused":
                raise DeliveryRefused("no such number")
            case "asked to wait":
                raise DeliverLater("too many messages", self._random.choice((30, 3600)))
        raise DeliverLater("the receiver is away")
