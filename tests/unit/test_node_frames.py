"""Whatever arrives on the feed is a message of the node or is refused as Damaged; nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.errors import Damaged
from bwm.node.frames import (
    TOPICS,
    BlockBell,
    BlockGone,
    Frame,
    MempoolAdded,
    MempoolRemoved,
    RawTx,
    follows,
    read_frame,
)

HASH = bytes(range(32))
FIVE = (5).to_bytes(4, "little")
GENESIS_HEADER = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e"
    "67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"
)
GENESIS_HASH = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"

MESSAGES = [
    ("rawtx", b"\x01\x02", RawTx(b"\x01\x02")),
    ("hashblock", HASH, BlockBell(HASH.hex())),
    ("rawblock", GENESIS_HEADER + b"\x01more", BlockBell(GENESIS_HASH)),
    ("sequence", HASH + b"C", BlockBell(HASH.hex())),
    ("sequence", HASH + b"D", BlockGone(HASH.hex())),
    ("sequence", HASH + b"A" + (258).to_bytes(8, "little"), MempoolAdded(HASH.hex(), 258)),
    ("sequence", HASH + b"R" + (2**64 - 1).to_bytes(8, "little"), MempoolRemoved(HASH.hex(), 2**64 - 1)),
]

NO_MESSAGES = {
    "no part": [],
    "one part": [b"rawtx"],
    "two parts": [b"rawtx", b"\x01"],
    "five parts": [b"rawtx", b"\x01", FIVE, b"", b""],
    "a short counter": [b"rawtx", b"\x01", b"\x05\x00\x00"],
    "a long counter": [b"rawtx", b"\x01", FIVE + b"\x00"],
    "an empty transaction": [b"rawtx", b"", FIVE],
    "a hash of 31 bytes": [b"hashblock", HASH[:31], FIVE],
    "a hash of 33 bytes": [b"hashblock", HASH + b"\x00", FIVE],
    "a block shorter than its header": [b"rawblock", GENESIS_HEADER[:79], FIVE],
    "a topic that begins like ours": [b"rawtxs", b"\x01", FIVE],
    "the wallet's transactions": [b"rawwallettx", b"\x01", FIVE],
    "no topic": [b"", b"\x01", FIVE],
    "a topic that is no text": [b"\xff\xfe", b"\x01", FIVE],
    "an unknown label": [b"sequence", HASH + b"X", FIVE],
    "no label": [b"sequence", HASH, FIVE],
    "a short hash and a label": [b"sequence", HASH[:31] + b"C", FIVE],
    "a block with a number": [b"sequence", HASH + b"C" + bytes(8), FIVE],
    "a transaction without a number": [b"sequence", HASH + b"A", FIVE],
    "a number of 7 bytes": [b"sequence", HASH + b"R" + bytes(7), FIVE],
}


@pytest.mark.parametrize(("topic", "body", "message"), MESSAGES)
def test_each_message_is_read(topic, body, message):
    assert read_frame([topic.encode(), body, FIVE]) == Frame(topic, 5, message)


@pytest.mark.parametrize("parts", NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_what_is_no_message_is_damaged(parts):
    with pytest.raises(Damaged):
        read_frame(parts)


def test_a_topic_that_was_not_asked_for_is_no_message():
    with pytest.raises(Damaged):
        read_frame([b"hashblock", HASH, FIVE], topics=["rawtx"])


@given(st.lists(st.one_of(st.binary(max_size=100), st.sampled_from([topic.encode() for topic in TOPICS])), max_size=5))
def test_any_parts_are_a_message_or_damaged(parts):
    try:
        frame = read_frame(parts)
    except Damaged:
        return
    assert [frame.topic.encode(), frame.counter.to_bytes(4, "little")] == [parts[0], parts[2]]


@given(st.sampled_from(TOPICS), st.binary(max_size=90), st.binary(min_size=4, max_size=4))
def test_any_body_is_a_message_or_damaged(topic, body, counter):
    try:
        frame = read_frame([topic.encode(), body, counter])
    except Damaged:
        return
    match frame.message:
        case RawTx(raw):
            assert raw == body
        case BlockBell(name) | BlockGone(name) | MempoolAdded(name) | MempoolRemoved(name):
            assert len(name) == 64
            assert topic == "rawblock" or body.startswith(bytes.fromhex(name))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_only_the_next_number_follows_and_the_last_is_followed_by_zero(previous, counter):
    assert follows(counter, previous) == ((counter - previous) % 2**32 == 1)
    assert follows(counter, None)
    assert follows(0, 2**32 - 1)
