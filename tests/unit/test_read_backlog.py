"""The past is read whole: a node that is away in the middle of it is asked for the same block again."""

from collections import deque
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from bwm.chain.block import BlockRef
from bwm.daemon.finder import Finding
from bwm.daemon.ingest import Ingest
from bwm.daemon.read_backlog import BacklogReader, _Stretch
from bwm.db import backlog, cursor, rewind, schema, vaults
from bwm.db.database import Database
from bwm.db.rewind import Device, Quota, Registration
from bwm.errors import NodeDown
from bwm.severity import Severity

TIP = BlockRef(400, f"{400:064x}")
NOW = 1_700_000_000


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


class NodeOfEmptyBlocks:
    """Has every block, and remembers which were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def block_hash(self, height: int) -> str:
        self.asked.append(height)
        return f"{height:064x}"

    def block(self, block_hash: str) -> bytes:
        return bytes(81)


@pytest.fixture
def node():
    return NodeOfEmptyBlocks()


@pytest.fixture
def ingest(database, node):
    """What takes up newcomers and reads the past, on a chain that stands still."""
    with database.transaction():
        cursor.move(TIP)
    finder = SimpleNamespace(find=lambda pool, block_hash, only: Finding(()))
    writer = SimpleNamespace(now=lambda: NOW)
    is_current = iter([False, True] * 1000).__next__  # before the list is loaded, and after that
    watch_list = SimpleNamespace(
        has_txids=True, fresh_txids=(), is_current=is_current, refresh=lambda: None, learn=lambda coins: None
    )
    chain = SimpleNamespace(
        at=lambda: TIP,
        is_ahead=lambda block: False,
        shares_up_to=lambda block: TIP.height,
        given_back_since=lambda *_: (),
    )
    parts = SimpleNamespace(
        database=database,
        watch_list=watch_list,
        chain=chain,
        mempool=SimpleNamespace(forget=lambda txids: None),
        backlog=BacklogReader(database, node, finder, writer, watch_list),
    )
    ingest = Ingest(database, lambda _: parts, SimpleNamespace(monotonic=lambda: 0.0), 15)
    ingest.begin()
    return ingest


def register(database, wallet: str, mined_at: int | None = None) -> None:
    """A wallet's vault, of which the node has found the trigger mined at some height."""
    with database.transaction():
        device = Device(wallet, b"sealed", "uuid", "wallet", "tower", "en")
        one = Registration(wallet, 1, (sha256(wallet.encode()).hexdigest(),))
        rewind.register("regtest", device, [one], Quota(10_000, 10_000), Severity.EMERGENCY, NOW)
        if mined_at is not None:
            [vault] = schema.Vault.select().order_by(schema.Vault.id.desc()).limit(1)
            vaults.order_reading(mined_at, vault_id=vault.id)


def read(ingest: Ingest, blocks: int) -> None:
    for _ in range(blocks):
        ingest._parts.backlog.read_some(TIP)


def test_who_comes_every_moment_does_not_have_the_past_begun_anew_for_ever(database, node, ingest):
    register(database, "early", mined_at=1)
    ingest.take_up_newcomers()

    for number in range(50):
        read(ingest, 11)
        register(database, f"newcomer {number}")
        ingest.take_up_newcomers()

    assert sorted(set(node.asked)) == list(range(1, TIP.height + 1))
    assert backlog.waiting(1) == ([], 0)


def test_who_has_the_whole_chain_read_holds_up_nobody_whose_past_is_short(database, node, ingest):
    register(database, "greedy", mined_at=1)
    register(database, "robbed", mined_at=TIP.height - 3)
    ingest.take_up_newcomers()

    read(ingest, 110)

    assert set(range(TIP.height - 3, TIP.height + 1)) <= set(node.asked)
    read(ingest, 500)
    assert set(node.asked) == set(range(1, TIP.height + 1))
    assert backlog.waiting(1) == ([], 0)


class NodeThatChangesItsMind:
    """Its filters are searched on the branch that it has in that moment; then it is on another one."""

    def __init__(self, *tips: BlockRef) -> None:
        self.tip = iter(tips).__next__

    def block_filter_height(self) -> int:
        return TIP.height

    def scan_blocks(self, *_: object) -> list[str]:
        return []


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [(TIP, TIP, True), (TIP, BlockRef(401, "cc"), False), (BlockRef(400, "cc"), TIP, False)],
)
def test_filters_that_were_searched_on_another_branch_tell_nothing(before, after, is_told):
    node = NodeThatChangesItsMind(before, after)
    reader = BacklogReader(None, node, finder=None, writer=None, watch_list=None)
    named = reader._named([b"script"], 390, 400, TIP, lambda: None)
    assert named == (deque() if is_told else None)
