"""A look at a full mempool takes a while, and a block does not wait for its end."""

from types import SimpleNamespace

from bwm.chain.block import BlockRef
from bwm.daemon.finder import Finding
from bwm.daemon.follow_mempool import MempoolFollower

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
        return {}


def test_a_block_that_comes_meanwhile_ends_the_look_and_the_next_goes_on_where_it_ended():
    node = FullNode()
    finder = SimpleNamespace(find=lambda pool: Finding(()))
    follower = MempoolFollower(node, finder, SimpleNamespace(taught=[]))

    assert not follower.look(BEFORE)

    assert len(node.read) == 500
    follower._miss = follower._second_reading.read = lambda *_: None
    assert follower.look(AFTER)
    assert len(node.read) == len(set(node.read)) == 1500
