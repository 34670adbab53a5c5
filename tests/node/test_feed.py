"""The feed hears the node, and hears it again after whatever came between."""

import socket
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TypeVar

import pytest
import zmq

from bwm.chain.outpoint import outpoint_key
from bwm.chain.tx import txid_of
from bwm.errors import ConfigError
from bwm.node import line
from bwm.node.feed import Feed
from bwm.node.frames import (
    BlockBell,
    BlockGone,
    Connected,
    Disconnected,
    FeedMessage,
    Gap,
    MempoolAdded,
    MempoolRemoved,
    RawTx,
)
from regtest.node import RegtestNode, free_port, wait_until

M = TypeVar("M")


class Ear:
    """A running feed and all that it has said."""

    def __init__(self, endpoints: dict[str, str]) -> None:
        self.heard: list[FeedMessage] = []
        self.deaths: list[BaseException] = []
        self.feed = Feed(endpoints, self.heard.append, self.deaths.append)

    def wait_for(self, wanted: FeedMessage) -> None:
        wait_until(lambda: wanted in self.heard, f"{wanted} on the feed")

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.heard if isinstance(message, kind)]


@pytest.fixture
def listen() -> Iterator[Callable[..., Ear]]:
    ears: list[Ear] = []

    def start(endpoints: dict[str, str], *, connected: bool = True) -> Ear:
        ear = Ear(endpoints)
        ears.append(ear)
        ear.feed.start()
        if connected:
            wait_until(lambda: ear.feed.health().connected, "the connection to every publisher")
        return ear

    yield start
    for ear in ears:
        ear.feed.stop()


class Publisher:
    """A publisher of our own, which can say what no node would."""

    def __init__(self, host: str = "127.0.0.1", port: int | None = None) -> None:
        self.endpoint = f"tcp://{host}:{port or free_port()}"
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.IPV6, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(self.endpoint)

    def await_subscriptions(self, count: int = 1) -> None:
        """Wait until somebody listens; before, what is said is lost."""
        for _ in range(count):
            assert self._socket.poll(20_000), "nobody subscribed"
            assert self._socket.recv().startswith(b"\x01")

    def say(self, *parts: bytes) -> None:
        self._socket.send_multipart(parts)

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def publish() -> Iterator[Callable[..., Publisher]]:
    publishers: list[Publisher] = []

    def make(*place: str | int) -> Publisher:
        publishers.append(Publisher(*place))
        return publishers[-1]

    yield make
    for publisher in publishers:
        publisher.close()


def everything_from(node: RegtestNode) -> dict[str, str]:
    return dict.fromkeys(node.topics, node.zmq)


def number(counter: int) -> bytes:
    return counter.to_bytes(4, "little")


@pytest.fixture
def hasty(monkeypatch) -> None:
    """Heartbeats and attempts in milliseconds, so that a test need not wait for seconds."""
    for option, value in {
        zmq.HEARTBEAT_IVL: 100,
        zmq.HEARTBEAT_TIMEOUT: 300,
        zmq.RECONNECT_IVL: 1,
        zmq.RECONNECT_IVL_MAX: 0,
    }.items():
        monkeypatch.setitem(line._OPTIONS, option, value)


def test_a_transaction_is_heard_as_it_enters_and_leaves_the_mempool(node, listen):
    ear = listen(everything_from(node))
    coin = node.pay(node.new_address(), 1_000_000)
    first = node.spend(coin, node.new_address(), feerate=5)

    second = node.spend(coin, node.new_address(), feerate=50)

    wait_until(lambda: second in [each.txid for each in ear.of(MempoolAdded)], "the replacement")
    assert [each.txid for each in ear.of(MempoolAdded)] == [coin.split(":")[0], first, second]
    assert [each.txid for each in ear.of(MempoolRemoved)] == [first]
    numbers = [each.sequence for each in ear.heard if isinstance(each, MempoolAdded | MempoolRemoved)]
    assert numbers == sorted(numbers)
    assert {first, second} <= {txid_of(each.raw) for each in ear.of(RawTx)}
    assert ear.of(Gap) == []


def test_a_reorg_is_heard_block_by_block(node, listen):
    ear = listen({"sequence": node.zmq})
    old = node.mine(2)
    ear.wait_for(BlockBell(old[-1]))
    ear.heard.clear()

    new = node.reorg(2)

    ear.wait_for(BlockBell(new[-1]))
    blocks = [each for each in ear.heard if isinstance(each, BlockBell | BlockGone)]
    assert blocks == [*map(BlockGone, reversed(old)), *map(BlockBell, new)]


@pytest.mark.parametrize("topic", ["hashblock", "rawblock", "sequence"])
def test_each_topic_that_tells_of_blocks_rings_with_the_blocks_hash(make_node, listen, topic):
    node = make_node(blocks=1, topics=[topic])
    ear = listen({topic: node.zmq})

    [mined] = node.mine()

    ear.wait_for(BlockBell(mined))
    assert {each.hash for each in ear.of(BlockBell)} <= {node.block_hash(1), mined}


def test_topics_at_several_addresses_are_heard_all_and_only_where_they_were_named(make_node, listen):
    # The second address repeats a topic of the first, with a counter of its own.
    other = f"tcp://127.0.0.1:{free_port()}"
    node = make_node(extra_args=[f"-zmqpubrawtx={other}", f"-zmqpubsequence={other}"])
    node.pay(node.new_address(), 100_000)
    ear = listen({"rawtx": node.zmq, "sequence": other, "hashblock": node.zmq})

    txids = [node.pay(node.new_address(), 100_000).split(":")[0] for _ in range(3)]
    [mined] = node.mine()

    wait_until(lambda: ear.of(BlockBell).count(BlockBell(mined)) == 2, "the block on both addresses")
    assert [each.txid for each in ear.of(MempoolAdded)][-3:] == txids
    assert ear.of(Gap) == []
    assert {each.endpoint for each in ear.of(Connected)} == {node.zmq, other}


def test_a_restarted_node_is_heard_again_and_its_new_counters_are_no_gap(node, listen):
    ear = listen(everything_from(node))
    ear.wait_for(BlockBell(node.mine()[0]))

    node.stop()
    ear.wait_for(Disconnected(node.zmq))
    assert not ear.feed.health().connected
    node.start()
    wait_until(lambda: ear.of(Connected) == [Connected(node.zmq)] * 2, "the second connection")

    ear.wait_for(BlockBell(node.mine()[0]))
    assert ear.of(Gap) == []
    assert ear.feed.health().topics == ("hashblock", "rawtx", "sequence")


def test_a_feed_may_start_before_its_node(make_node, listen):
    node = make_node(blocks=0)
    node.stop()
    ear = listen(everything_from(node), connected=False)

    node.start()

    ear.wait_for(Connected(node.zmq))
    ear.wait_for(BlockBell(node.mine()[0]))


def test_a_frozen_node_is_noticed_and_heard_again_when_it_thaws(node, listen, hasty):
    ear = listen(everything_from(node))

    node.pause()
    ear.wait_for(Disconnected(node.zmq))
    node.resume()

    wait_until(lambda: ear.feed.health().connected, "the second connection")
    ear.wait_for(BlockBell(node.mine()[0]))


def test_a_node_is_heard_after_thousands_of_vain_attempts(listen, publish, hasty):
    # An unread monitor stops its context after some 2,000 events.
    with socket.create_server(("127.0.0.1", 0)) as closed_door:
        closed_door.settimeout(20)
        port = closed_door.getsockname()[1]
        ear = listen({"rawtx": f"tcp://127.0.0.1:{port}"}, connected=False)
        for _ in range(3000):
            closed_door.accept()[0].close()

    publisher = publish("127.0.0.1", port)
    publisher.await_subscriptions()
    publisher.say(b"rawtx", b"\x01", number(0))

    ear.wait_for(RawTx(b"\x01"))
    assert ear.of(Connected) == [Connected(publisher.endpoint)]


def test_a_subscriber_is_served_over_ipv6(listen, publish):
    try:
        publisher = publish("[::1]")
    except zmq.ZMQError:
        pytest.skip("this machine has no IPv6 loopback")
    ear = listen({"rawtx": publisher.endpoint})
    publisher.await_subscriptions()

    publisher.say(b"rawtx", b"\x01", number(0))

    ear.wait_for(RawTx(b"\x01"))


def test_lost_messages_are_told_by_the_hole_in_their_topics_numbers(listen, publish):
    publisher = publish()
    ear = listen({"rawtx": publisher.endpoint, "hashblock": publisher.endpoint})
    publisher.await_subscriptions(2)

    for topic, body, counter in [
        (b"rawtx", b"\x01", 2**32 - 1),
        (b"hashblock", bytes(32), 7),
        (b"rawtx", b"\x02", 0),
        (b"hashblock", bytes(32), 8),
        (b"rawtx", b"\x03", 4),
        (b"rawtx", b"\x04", 5),
        (b"rawtx", b"\x05", 5),
    ]:
        publisher.say(topic, body, number(counter))

    ear.wait_for(RawTx(b"\x05"))
    bell = BlockBell(bytes(32).hex())
    assert ear.heard[1:] == [
        RawTx(b"\x01"),
        bell,
        RawTx(b"\x02"),
        bell,
        Gap("rawtx"),
        RawTx(b"\x03"),
        RawTx(b"\x04"),
        Gap("rawtx"),
        RawTx(b"\x05"),
    ]
    assert ear.feed.health().gaps == 2


MALFORMED = [
    [b"rawtx"],
    [b"rawtx", b"\x01"],
    [b"rawtx", b"\x01", b"", b""],
    [b"rawtx", b"\x01", b"", b"", b"rawtx", b""],
    [b"rawtxs", b"\x01", number(0)],
    [b"hashblock", bytes(31), number(0)],
    [b"sequence", bytes(32) + b"X", number(0)],
    [b"rawtx", b"\x01", b""],
]


@pytest.mark.parametrize("parts", MALFORMED)
def test_malformed_messages_are_counted_and_dropped_and_hide_no_loss(listen, publish, parts):
    publisher = publish()
    ear = listen({"rawtx": publisher.endpoint, "hashblock": publisher.endpoint, "sequence": publisher.endpoint})
    publisher.await_subscriptions(3)

    publisher.say(b"rawtx", b"\x02", number(0))
    publisher.say(*parts)
    publisher.say(b"rawtx", b"\x03", number(1))
    publisher.say(b"rawtx", b"\x04", number(2))

    ear.wait_for(RawTx(b"\x04"))
    first, *between, last = ear.heard[1:]
    assert (first, last) == (RawTx(b"\x02"), RawTx(b"\x04"))
    assert between in ([RawTx(b"\x03")], [Gap("rawtx")])
    assert ear.feed.health().malformed == 1
    assert ear.feed.alive


def test_half_a_message_is_dropped_when_nothing_follows(listen, publish):
    publisher = publish()
    ear = listen({"rawtx": publisher.endpoint})
    publisher.await_subscriptions()

    publisher.say(b"rawtx", b"\x01")
    wait_until(lambda: ear.feed.health().malformed == 1, "half a message")
    publisher.say(b"rawtx", b"\x02", number(0))

    ear.wait_for(RawTx(b"\x02"))


def test_a_message_larger_than_any_block_does_not_fill_the_memory(listen, publish, hasty):
    publisher = publish()
    ear = listen({"rawtx": publisher.endpoint})
    publisher.await_subscriptions()
    largest = bytes(4_000_000)

    publisher.say(b"rawtx", largest, number(0))
    ear.wait_for(RawTx(largest))
    publisher.say(b"rawtx", bytes(9_000_000), number(1))

    ear.wait_for(Disconnected(publisher.endpoint))
    assert len(ear.of(RawTx)) == 1


def chain_of_spends(node: RegtestNode, count: int) -> list[str]:
    """Transactions (hex) for one block, each spending the one before, none of which needs a signature."""
    spendable_by_all = b"\x51"
    script = b"\x00\x20" + sha256(spendable_by_all).digest()
    coin = node.pay(node.rpc("decodescript", script.hex())["address"], 1_000_000)
    node.mine()
    txid, vout = coin.split(":")
    spends = []
    for _ in range(count):
        spend = b"".join(
            [
                *(b"\x02\x00\x00\x00", b"\x00\x01"),  # version; segwit (BIP 144)
                *(b"\x01", outpoint_key(txid, int(vout)), b"\x00", b"\xff" * 4),
                *(b"\x01", (1_000_000).to_bytes(8, "little"), bytes([len(script)]), script),
                *(b"\x01", bytes([len(spendable_by_all)]), spendable_by_all, bytes(4)),
            ]
        )
        txid, vout = txid_of(spend), "0"
        spends.append(spend.hex())
    return spends


def test_a_full_block_arrives_whole_where_the_node_holds_enough(node, listen):
    spends = chain_of_spends(node, 2500)  # by default a node holds 1000 messages
    ear = listen({"rawtx": node.zmq})

    node.mine_exactly(spends)

    ear.wait_for(RawTx(bytes.fromhex(spends[-1])))
    assert [each.raw.hex() for each in ear.of(RawTx)][-len(spends) :] == spends
    assert ear.of(Gap) == []


def test_the_health_tells_what_is_heard(listen, publish):
    publisher, absent = publish(), f"tcp://127.0.0.1:{free_port()}"
    ear = listen({"rawtx": publisher.endpoint, "sequence": absent}, connected=False)
    publisher.await_subscriptions()
    ear.wait_for(Connected(publisher.endpoint))

    health = ear.feed.health()
    publisher.say(b"rawtx", b"\x01", number(0))
    ear.wait_for(RawTx(b"\x01"))

    assert (health.alive, health.connected, health.topics, health.malformed) == (True, False, ("rawtx",), 0)
    ear.feed.stop()
    assert not ear.feed.alive
    assert ear.deaths == []


def test_a_feed_that_dies_does_not_die_unseen(publish):
    publisher = publish()
    deaths: list[BaseException] = []

    def fail(message: FeedMessage) -> None:
        raise RuntimeError("no room")

    feed = Feed({"rawtx": publisher.endpoint}, fail, deaths.append)
    feed.start()

    wait_until(lambda: deaths, "the death of the feed")
    wait_until(lambda: not feed.alive, "the end of its thread")
    assert str(deaths[0]) == "no room"


def test_an_endpoint_that_is_no_address_is_refused_at_the_start():
    feed = Feed({"rawtx": "127.0.0.1:28332"}, print)

    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:28332 is no address"):
        feed.start()

    assert not feed.alive
    feed.stop()
