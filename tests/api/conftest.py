"""One node, one bwm with its server and one push service for all tests here: each brings wallets of its own."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from regtest.daemon import Bwm
from regtest.node import RegtestNode, free_port
from tests.api.calls import Call
from tests.api.wallet import JSON, Answer, Wallet, ask
from tests.servers.expo import Expo
from tests.vault_signer import Key

API = """
[deadman]
period = "30d"

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
    safe: Key
    """Where responses may pay to."""

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
        port, safe = free_port(), Key()
        allowed = f'\n[responses]\nallow = ["{safe.address}"]\n'
        bwm = Bwm(home, node, settings=API.format(port=port, push_url=expo.url) + settings + allowed)
        try:
            bwm.start()
            yield Tower(node, bwm, expo, port, safe)
        finally:
            bwm.kill()


@pytest.fixture(scope="session")
def token(tower: Tower) -> Callable[..., str]:
    """Make tokens: ``token("read", vault="a-*")``."""

    def make(*scopes: str, vault: str | None = None) -> str:
        options = [option for scope in scopes for option in ("--scope", scope)]
        pattern = ("--vault", vault) if vault else ()
        return tower.bwm("add-token", f"t{uuid4().hex[:8]}", *options, *pattern).stdout.strip()

    return make


@pytest.fixture(scope="session")
def everything(token: Callable[..., str]) -> str:
    """A token for all names."""
    return token("read", "write", "ack")


@pytest.fixture
def call(tower: Tower, everything: str) -> Call:
    """Ask with a token: ``call("GET", "/v1/vaults")``."""

    def ask_with(method: str, path: str, content: Any = None, token: str = everything, **headers: str) -> Answer:
        body = None if content is None else json.dumps(content).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(tower.port, method, path, body, JSON | {"Authorization": f"Bearer {token}"} | named)

    return ask_with
