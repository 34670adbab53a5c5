"""One node, one bwm with its server and one push service for all tests here: each brings wallets of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from regtest.daemon import Bwm
from regtest.node import RegtestNode, free_port
from tests.api.wallet import Wallet
from tests.servers.expo import Expo

API = """
[metrics]
on = true

[api]
listen = "127.0.0.1:{port}"
push_url = "{push_url}"
receipts_after = "1s"
"""


@dataclass
class Tower:
    """A running bwm that serves wallets."""

    node: RegtestNode
    bwm: Bwm
    expo: Expo
    port: int

    def wallet(self, **settings: object) -> Wallet:
        """A new telephone."""
        return Wallet(self.port, **settings)  # type: ignore[arg-type]

    def signed_trigger(self, feerate: int = 10) -> tuple[str, str]:
        """A transaction of the vault's owner that nobody sent yet: its id and its bytes."""
        coin = self.node.pay(self.node.new_address(), 1_000_000)
        self.node.mine()
        raw = self.node.signed_spend(coin, self.node.new_address(wallet="thief"), feerate=feerate)
        return self.node.rpc("decoderawtransaction", raw)["txid"], raw


@pytest.fixture(scope="session")
def tower(bitcoind: Path, mined: Path) -> Iterator[Tower]:
    folder = Path(tempfile.mkdtemp(prefix="bwm-"))
    shutil.copytree(mined, folder / "node")
    with RegtestNode(folder / "node", bitcoind=bitcoind) as node, running_tower(folder / "bwm", node) as tower:
        yield tower
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_tower(home: Path, node: RegtestNode, settings: str = "") -> Iterator[Tower]:
    """``settings``: more of the section ``[api]``, and whatever is to come after it."""
    with Expo() as expo:
        port = free_port()
        bwm = Bwm(home, node, settings=API.format(port=port, push_url=expo.url) + settings)
        try:
            bwm.start()
            yield Tower(node, bwm, expo, port)
        finally:
            bwm.kill()
