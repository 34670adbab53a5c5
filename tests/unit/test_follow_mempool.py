"""A look at a full mempool takes a while, and a block does not wait for its end."""

from types import SimpleNamespace

from bwm.chain.block import BlockRef
from bwm.chain.tx import txid_of
from bwm.daemon import follow_mempool
from bwm.daemon.finder import Finding
from bwm.daemon.follow_mempool import MempoolFollower
from bwm.plan import Changes
from bwm.watch.watch import Family, Match, Trigger

RAW = bytes.fromhex("02000000" + "01" + "11" * 36 + "00" + "ff" * 4 + "01" + "00" * 8 + "0151" + "00" * 4)
BEFORE, AFTER = BlockRef(100, "aa" * 32), BlockRef(101, "bb" * 32)


class FullNode:
    """Has a mempool of three parts; a block comes while the first is read."""

    def __init__(self) -> None:
        self.height = BEFORE
        self.read: list[str] = []

    def tip(self) -> BlockRef:
        return self.height

    def mempool_txids(self):
        return [f"{number:064x}" for number in range(1500)], 1

    def raw_transactions(self, txids):
        self.read += txids
        self.height = AFTER
        return dict.fromkeys(txids, RAW)


def test_a_block_that_comes_meanwhile_ends_the_look_and_the_next_goes_on_where_it_ended():
    node = FullNode()
    finder = SimpleNamespace(find=lambda pool: Finding(()))
    follower = MempoolFollower(node, finder, SimpleNamespace(taught=[]))

    assert not follower.look(BEFORE)

    assert len(node.read) == 500
    follower._miss = follower._second_reading.read = lambda *_: None
    assert follower.look(AFTER)
    assert len(node.read) == len(set(node.read)) == 1500


def a_match(trigger: int) -> Match:
    return Match(Trigger(trigger, "txid", "", "cold"), txid_of(RAW), Family.TRIGGER, 1, "")


class FlickeringNode:
    """A transaction has left its mempool, or was mined, each time that somebody asks for it, but for the last."""

    def __init__(self) -> None:
        self.asked = 0
        self.crowds: list[int] = []  # how many were asked for at once

    def tip(self) -> BlockRef:
        return BEFORE

    def mempool_txids(self):
        return [txid_of(RAW)], 1

    def raw_transactions(self, txids):
        self.asked += 1
        return {} if self.asked == 1 else dict.fromkeys(txids, RAW)

    def transactions(self, txids):
        self.crowds.append(len(txids))
        return dict.fromkeys(txids, SimpleNamespace(block_hash="cc" * 32 if self.asked == 2 else None))

    def spent_in_mempool(self, coins):
        return {}


def test_what_left_the_mempool_while_it_was_looked_at_is_looked_at_when_it_is_back(monkeypatch):
    met = []
    writer = SimpleNamespace(taught=[], facts=lambda *_: None, now=lambda: 0, write=lambda *_: None)
    finder = SimpleNamespace(find=lambda pool: Finding([(tx, (a_match(1),)) for tx in pool.touching(pool.keys())]))
    monkeypatch.setattr(follow_mempool, "plan_mempool", lambda found, *_: met.extend(found) or Changes())
    follower = MempoolFollower(FlickeringNode(), finder, writer)
    follower._miss = follower._second_reading.read = lambda *_: None

    assert [follower.look(BEFORE) and len(met) for _ in range(4)] == [0, 0, 1, 1]


def test_of_thousands_who_watch_a_transaction_the_first_are_told_before_all_the_others_are_written(monkeypatch):
    many, written = 3000, []
    node = FlickeringNode()
    node.asked = 2
    writer = SimpleNamespace(
        taught=[], facts=lambda known, part: part, now=lambda: 0, write=lambda changes, part: written.append(part.found)
    )
    matches = tuple(map(a_match, reversed(range(many))))
    finder = SimpleNamespace(find=lambda pool: Finding([(tx, matches) for tx in pool.touching(pool.keys())]))
    monkeypatch.setattr(follow_mempool, "plan_mempool", lambda *_: Changes())

    MempoolFollower(node, finder, writer).meet([txid_of(RAW)])

    told = [sorted(match.trigger.id for _, matches in found for match in matches) for found in written]
    assert told[0] == [*range(200)]
    assert [number for part in told for number in part] == [*range(many)]
    assert max(map(len, told)) <= 2000


def test_a_crowd_of_suspects_is_asked_for_at_once(monkeypatch):
    raws = [RAW[:-4] + number.to_bytes(4, "little") for number in range(300)]
    node = FlickeringNode()
    node.asked = 2
    node.raw_transactions = lambda txids: dict(zip(txids, raws, strict=True))
    writer = SimpleNamespace(taught=[], facts=lambda *_: None, now=lambda: 0, write=lambda *_: None)
    finder = SimpleNamespace(find=lambda pool: Finding([(tx, (a_match(1),)) for tx in pool.touching(pool.keys())]))
    monkeypatch.setattr(follow_mempool, "plan_mempool", lambda *_: Changes())

    MempoolFollower(node, finder, writer).meet([txid_of(raw) for raw in raws])

    assert node.crowds == [300]
