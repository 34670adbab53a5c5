"""The node's feed: frames with counters, some of which are lost, doubled, late, damaged or forged."""

import struct
from collections.abc import Callable
from random import Random

from bwm.errors import Damaged
from bwm.node.frames import BlockBell, Connected, Disconnected, FeedMessage, Gap, follows, read_frame
from tests.simulation.ledger import Ledger
from tests.simulation.wire import SimTx

Frame = list[bytes]

_REMEMBERED = 30  # frames that may come once more


class SimFeed:
    """Between the ledger, which tells it every change, and the daemon, which hears what gets through."""

    def __init__(self, ledger: Ledger, topics: dict[str, str], random: Random) -> None:
        """``topics``: where each topic is published."""
        self.topics = topics
        self.is_dead = False
        self.trouble = 0.0  # the chance that something is wrong with a frame
        self.counts: dict[str, int] = {}  # of what went wrong, by its name
        self._ledger = ledger
        self._random = random
        self._numbers: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._on_the_way: list[Frame] = []
        self._sent: list[Frame] = []
        self._news: list[FeedMessage] = []
        self._connected = False
        ledger.tell = self._tell

    def _tell(self, what: str, name: str) -> None:
        number = struct.pack("<Q", self._ledger.moment)
        match what:
            case "tx":
                self._publish("rawtx", self._ledger.txs[name].raw)
            case "connected":
                self._publish("hashblock", bytes.fromhex(name))
                self._publish("sequence", bytes.fromhex(name) + b"C")
            case "disconnected":
                self._publish("sequence", bytes.fromhex(name) + b"D")
            case "added":
                self._publish("sequence", bytes.fromhex(name) + b"A" + number)
            case "removed":
                self._publish("sequence", bytes.fromhex(name) + b"R" + number)

    def _publish(self, topic: str, body: bytes) -> None:
        if topic not in self.topics:
            return
        counter = self._numbers[topic] = self._numbers.get(topic, -1) + 1
        if not self._connected:
            return
        frame = [topic.encode(), body, struct.pack("<I", counter)]
        self._sent = [*self._sent[-_REMEMBERED:], frame]
        if self._random.random() >= self.trouble:
            self._on_the_way.append(frame)
            return
        fault = self._random.choice(("lost", "doubled", "late", "damaged"))
        self.counts[f"feed {fault}"] = self.counts.get(f"feed {fault}", 0) + 1
        match fault:
            case "doubled":
                self._on_the_way += [frame, self._random.choice(self._sent)]
            case "late":
                self._on_the_way.insert(self._random.randrange(len(self._on_the_way) + 1), frame)
            case "damaged":
                self._on_the_way.append(self._damage(frame))

    def _damage(self, frame: Frame) -> Frame:
        topic, body, counter = frame
        match self._random.randrange(5):
            case 0:
                return [topic, body]
            case 1:
                return [topic, body[:-1], counter]
            case 2:
                return [topic + b"x", body, counter]
            case 3:
                return [topic, self._random.randbytes(len(body)), counter]
            case _:
                return [topic, body, counter[:3]]

    def forge(self, tx: SimTx) -> None:
        """Somebody else publishes at the node's address."""
        if self._connected and "rawtx" in self.topics:
            counter = struct.pack("<I", self._random.choice((0, self._numbers.get("rawtx", 0) + 1)))
            self._on_the_way.append([b"rawtx", tx.raw, counter])

    def ring(self) -> None:
        """What the block waiter does: it asks the node for its tip, feed or no feed."""
        self._news.append(BlockBell(self._ledger.tip.hash))

    def connect(self) -> None:
        """The daemon's subscription reaches the publisher, unless that is dead."""
        if self.is_dead or self._connected or not self.topics:
            return
        self._connected = True
        self._heard.clear()
        self._news += [Connected(endpoint) for endpoint in sorted(set(self.topics.values()))]

    def break_off(self, *, by_restart: bool = False) -> None:
        """The connection is gone, with what was on the way. A restarted node counts from 0."""
        self._on_the_way.clear()
        if by_restart:
            self._numbers.clear()
        if self._connected:
            self._connected = False
            self._news += [Disconnected(endpoint) for endpoint in sorted(set(self.topics.values()))]

    def forget_listener(self) -> None:
        """The daemon died: nobody holds the connection."""
        self._connected = False
        self._on_the_way.clear()
        self._news.clear()

    def deliver(self, hear: Callable[[FeedMessage], None], part: float = 1.0) -> None:
        """Bring what is on the way, or the first part of it."""
        for message in self._news:
            hear(message)
        self._news.clear()
        count = round(len(self._on_the_way) * part)
        for frame in self._on_the_way[:count]:
            self._read(frame, hear)
        del self._on_the_way[:count]

    def _read(self, parts: Frame, hear: Callable[[FeedMessage], None]) -> None:
        """As a Line does it."""
        try:
            frame = read_frame(parts, self.topics)
        except Damaged:
            return
        if not follows(frame.counter, self._heard.get(frame.topic)):
            hear(Gap(frame.topic))
        self._heard[frame.topic] = frame.counter
        hear(frame.message)
