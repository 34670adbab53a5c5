"""What the node's ZMQ messages say (doc/zmq.md of Bitcoin Core). Pure: bytes in, values out.

A message has three parts: the topic, the body, and a little-endian counter of four bytes that the node keeps for
each topic and address. Hashes in bodies are in display order, although the node's document says otherwise.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bwm.chain.hashing import sha256d
from bwm.errors import Damaged

TOPICS = ("hashblock", "rawblock", "rawtx", "sequence")
"""The topics that bwm can use."""

_TOPICS_BY_NAME = {topic.encode(): topic for topic in TOPICS}

_HEADER_BYTES = 80
_HASH_BYTES = 32
_COUNTER_BYTES = 4
_COUNTERS = 1 << 32


@dataclass(frozen=True, slots=True)
class RawTx:
    """These bytes exist as a transaction. Whether in the mempool, mined or unmined, it does not say."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class BlockBell:
    """A block joined the active chain. A bell only: a reorg need not ring for each of its blocks."""

    hash: str


@dataclass(frozen=True, slots=True)
class BlockGone:
    """A block left the active chain."""

    hash: str


@dataclass(frozen=True, slots=True)
class MempoolAdded:
    """A transaction entered the mempool. ``sequence`` is the mempool's own number of this change."""

    txid: str
    sequence: int


@dataclass(frozen=True, slots=True)
class MempoolRemoved:
    """A transaction left the mempool, and not by being mined."""

    txid: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages of this topic were lost: the counter was not the previous one plus one."""

    topic: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The node's publisher has our subscription, for the first time or again. What came before is lost."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection to the node's publisher broke."""

    endpoint: str


NodeMessage = RawTx | BlockBell | BlockGone | MempoolAdded | MempoolRemoved
FeedMessage = NodeMessage | Gap | Connected | Disconnected


class Frame(NamedTuple):
    """One well-formed message."""

    topic: str
    counter: int
    message: NodeMessage


def read_frame(parts: Sequence[bytes], topics: Collection[str] = TOPICS) -> Frame:
    """The message in the parts. Raises Damaged when they are none, or of none of the topics.

    A subscription catches every topic that begins with its name, so the name is checked here as well.
    """
    if len(parts) != 3:
        raise Damaged(f"a feed message of {len(parts)} parts, not 3")
    name, body, counter = parts
    topic = _TOPICS_BY_NAME.get(name)
    if topic is None or topic not in topics:
        raise Damaged("a feed message of a topic that was not asked for")
    if len(counter) != _COUNTER_BYTES:
        raise Damaged(f"a {topic} message whose counter has {len(counter)} bytes, not {_COUNTER_BYTES}")
    message = RawTx(body) if topic == "rawtx" and body else _read_body(topic, body)  # nearly all are transactions
    return Frame(topic, int.from_bytes(counter, "little"), message)


def follows(counter: int, previous: int | None) -> bool:
    """Whether nothing was lost between two messages of a topic. The counter starts over after 2^32 - 1."""
    return previous is None or counter == (previous + 1) % _COUNTERS


def _read_body(topic: str, body: bytes) -> NodeMessage:
    match topic:
        case "hashblock" if len(body) == _HASH_BYTES:
            return BlockBell(body.hex())
        case "rawblock" if len(body) >= _HEADER_BYTES:
            return BlockBell(sha256d(body[:_HEADER_BYTES])[::-1].hex())
        case "sequence":
            return _read_sequence(body)
    raise Damaged(f"a {topic} message whose body has {len(body)} bytes")


def _read_sequence(body: bytes) -> NodeMessage:
    """The hash of a block or transaction, one letter, and for a transaction the mempool's sequence number."""
    name, label, number = body[:_HASH_BYTES].hex(), body[_HASH_BYTES : _HASH_BYTES + 1], body[_HASH_BYTES + 1 :]
    sequence = int.from_bytes(number, "little")
    match label, len(number):
        case b"C", 0:
            return BlockBell(name)
        case b"D", 0:
            return BlockGone(name)
        case b"A", 8:
            return MempoolAdded(name, sequence)
        case b"R", 8:
            return MempoolRemoved(name, sequence)
    raise Damaged(f"a sequence message of {len(body)} bytes with an unknown label")
