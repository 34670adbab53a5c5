"""What the rows share: a vault with a coin, a thief, a second bwm that nothing happens to, and the account."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until
from tests.faults.invariants import Verdict, assert_invariants, settle, verdict
from tests.faults.network import Proxy, Relay, front
from tests.faults.tools import Clock

SATS = 5_000_000
MAY_REPEAT = "may repeat an earlier message"
"""What marks a message whose earlier attempt may have got through."""

LONG_SEEDS = [pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Patience is what many rows are about, and the machine may be busy."""
    for item in items:
        if item.path.parent == Path(__file__).parent and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(params=[1, *LONG_SEEDS], ids=lambda seed: f"seed{seed}", autouse=True)
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chance for one run of a row: the long campaign runs each row with five seeds."""
    return random.Random(request.param)


@pytest.fixture
def thief(node: RegtestNode) -> str:
    """An address that is not the owner's."""
    return node.new_address(wallet="thief")


@pytest.fixture
def coins(node: RegtestNode) -> list[str]:
    """Four confirmed coins of the owner."""
    coins = [node.pay(node.new_address(), SATS) for _ in range(4)]
    node.mine()
    return coins


@pytest.fixture
def coin(coins: list[str]) -> str:
    return coins[0]


@pytest.fixture
def cold(bwm: Bwm, coins: list[str]) -> Bwm:
    """A bwm that is not started yet; its vault ``cold`` watches the coins."""
    return with_vault(bwm, coins)


def with_vault(bwm: Bwm, coins: list[str], name: str = "cold") -> Bwm:
    bwm("add-vault", name, *(word for coin in coins for word in ("--outpoint", coin)))
    return bwm


@pytest.fixture
def clock(cold: Bwm, clock_of: Callable[[Bwm], Clock]) -> Clock:
    """The wall clock of ``cold``."""
    return clock_of(cold)


@pytest.fixture
def clock_of() -> Callable[[Bwm], Clock]:
    """The wall clock of a bwm that is not started yet, to be set at will."""

    def make(bwm: Bwm) -> Clock:
        clock = Clock(bwm.home)
        bwm.surroundings |= clock.environment
        return clock

    return make


@pytest.fixture
def rpc_proxy(node: RegtestNode) -> Iterator[Proxy]:
    with Proxy(node.rpc_port) as proxy:
        yield proxy


@pytest.fixture
def zmq_proxy(node: RegtestNode) -> Iterator[Proxy]:
    with Proxy(node.zmq_port) as proxy:
        yield proxy


@pytest.fixture
def relay(node: RegtestNode) -> Iterator[Relay]:
    with Relay(node) as relay:
        yield relay


@pytest.fixture
def behind(make_bwm: Callable[..., Bwm], node: RegtestNode, coins: list[str], receiver: Any) -> Callable[..., Bwm]:
    """Start a bwm that reaches the node through ``rpc`` and ``feed``: ``behind(rpc=rpc_proxy)``."""

    def make(rpc: Proxy | None = None, feed: Proxy | Relay | None = None, settings: str = "") -> Bwm:
        bwm = make_bwm(front(node, rpc, feed), receiver_url=receiver.url(), settings=settings)
        return with_vault(bwm, coins)

    return make


@pytest.fixture
def hold(request: pytest.FixtureRequest) -> Callable[..., Verdict]:
    """``hold(bwm, theft, ...)``: wait until all is quiet; then every invariant must hold, and it is noted."""

    def check(bwm: Bwm, *thefts: str, node: RegtestNode | None = None, timeout_s: float = 60) -> Verdict:
        node = node or request.getfixturevalue("node")
        settle(bwm, node, timeout_s)
        found = verdict(bwm, thefts)
        request.node.user_properties += [
            ("thefts", len(thefts)),
            ("missed", found.misses),
            ("lost", found.losses),
            ("doubled", found.duplicates),
        ]
        assert_invariants(bwm, node, thefts)
        return found

    return check


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """``note("kill points", 12)``: a number for the table."""

    def write(name: str, value: object) -> None:
        request.node.user_properties.append((name, value))

    return write


def change(bwm: Bwm, query: str, *values: object) -> None:
    """Write into the database of a daemon that does not run, behind bwm's back."""
    with closing(sqlite3.connect(bwm.database)) as connection, connection:
        connection.execute(query, values)


def found(bwm: Bwm, txid: str, timeout_s: float = 30) -> dict[str, Any]:
    """The first event about a theft, as soon as it is on disk."""

    def events() -> list[dict[str, Any]]:
        return [event for event in bwm.events(txid=txid) if event["kind"].startswith("trigger.")]

    return wait_until(events, f"an event about {txid}", timeout_s)[0]
