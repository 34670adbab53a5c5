"""The past is read whole: a node that is away in the middle of it is asked for the same block again."""

from collections import deque
from pathlib import Path

import pytest

from bwm.chain.block import BlockRef
from bwm.daemon.read_backlog import BacklogReader, _Stretch
from bwm.db import cursor
from bwm.db.database import Database
from bwm.errors import NodeDown


class NodeThatIsAway:
    """Asked for any block, it does not answer."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def block_hash(self, height: int) -> str:
        self.asked.append(height)
        raise NodeDown("the node does not answer")


def test_a_block_that_could_not_be_read_is_asked_for_again(tmp_path: Path):
    database, node = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest"), NodeThatIsAway()
    with database.connection():
        reader = BacklogReader(database, node, finder=None, writer=None, watch_list=None)
        reader._stretch = _Stretch(9, 11, deque((9, 10, 11)), None)
        for _ in range(2):
            with pytest.raises(NodeDown):
                reader.read_some(BlockRef(12, "tip"))
    assert node.asked == [9, 9]


class NodeOnAnotherBranch:
    """For a moment, and back before anybody compares its chain with ours."""

    def __init__(self) -> None:
        self.branch = "theirs"

    def block_hash(self, height: int) -> str:
        return f"{self.branch} {height}"

    def block(self, block_hash: str) -> bytes:
        raise BlockRead(block_hash)


class BlockRead(Exception):
    """Which one."""


def test_a_block_of_another_branch_is_not_taken_for_one_of_ours(tmp_path: Path):
    database, node = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest"), NodeOnAnotherBranch()
    with database.connection():
        with database.transaction():
            for height in range(8, 13):
                cursor.move(BlockRef(height, f"ours {height}"))
        reader = BacklogReader(database, node, finder=None, writer=None, watch_list=None)
        reader._stretch = _Stretch(9, 11, deque((9, 10, 11)), None)
        assert reader.read_some(BlockRef(12, "ours 12"))
        node.branch = "ours"
        with pytest.raises(BlockRead, match="ours 9"):
            reader.read_some(BlockRef(12, "ours 12"))
