"""What the node tests share: a coin that is worth watching, and somewhere to take it."""

from collections.abc import Iterator

import pytest

from bwm import config
from bwm.channels import open_channel
from bwm.clock import SystemClock
from bwm.daemon.connect import connect
from bwm.daemon.ingest import Ingest
from bwm.daemon.run import Daemon
from bwm.db.database import Database
from bwm.node.frames import Connected
from regtest.daemon import Bwm
from regtest.node import RegtestNode

SATS = 5_000_000


@pytest.fixture
def address(node: RegtestNode) -> str:
    """An address of the owner, not used yet."""
    return node.new_address()


@pytest.fixture
def coin(node: RegtestNode, address: str) -> str:
    """A confirmed coin of 5,000,000 sat at ``address``."""
    coin = node.pay(address, SATS)
    node.mine()
    return coin


@pytest.fixture
def thief(node: RegtestNode) -> str:
    """An address that is not the owner's."""
    return node.new_address(wallet="thief")


@pytest.fixture
def guarded(bwm: Bwm, coin: str) -> Bwm:
    """A running bwm whose vault ``cold`` watches ``coin``."""
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    return bwm


@pytest.fixture
def ingest(bwm: Bwm, address: str) -> Iterator[Ingest]:
    """The loop of a bwm whose vault watches ``address``, driven by hand; it has caught up and hears the feed."""
    bwm("add-vault", "cold", "--address", address)
    settings = config.load(bwm.config)
    database = Database(settings.database_url, settings.network)
    with database.connection():
        channels = [open_channel(one) for one in settings.channels]
        loop = Daemon(settings, database, SystemClock(), connect(settings), channels).ingest
        loop.begin()
        loop.endpoints = {"rawtx": "feed", "hashblock": "feed"}
        loop.turn([Connected("feed")])
        loop.turn([])
        yield loop
