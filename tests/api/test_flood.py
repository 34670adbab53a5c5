"""From broadcast to the push service while others register without pause, with few vaults and with very many."""

import threading
import time
from uuid import uuid4

import pytest

from regtest.node import wait_until
from tests.api.conftest import running_tower
from tests.api.wallet import post, vault

A_SECOND = 300  # fresh registrations
THEFTS = 40
AT_ONCE = 2000  # vaults in one request, to get there


def fresh_txid():
    return uuid4().hex * 2


class Registrars:
    """Wallets that register new vaults at a steady pace."""

    def __init__(self, tower, a_second=A_SECOND, threads=32):
        self._tower, self._pause_s = tower, threads / a_second
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._register) for _ in range(threads)]
        self.statuses = []

    def __enter__(self):
        self.began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self.per_s = len(self.statuses) / (time.monotonic() - self.began)

    def _register(self):
        due = time.monotonic()
        while not self._stopping.is_set():
            wallet = self._tower.wallet()
            self.statuses.append(wallet.register(vault(fresh_txid())).status)
            due += self._pause_s
            self._stopping.wait(max(0.0, due - time.monotonic()))


def fill(tower, vaults):
    """So many vaults of others."""
    for _ in range(vaults // AT_ONCE):
        wallet = tower.wallet()
        body = wallet.registration(*(vault(fresh_txid(), number=number) for number in range(AT_ONCE)))
        assert post(tower.port, "/regtest/watchtower/register", body).status == 200
    wait_until(lambda: not tower.bwm.rows("SELECT 1 FROM backlog LIMIT 1"), "the taking up", 300, every_s=0.5)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("vaults", [0, 100_000])
def test_a_theft_is_pushed_within_two_seconds_while_hundreds_register(tower, tmp_path, vaults):
    node = tower.node
    coins = []
    for _ in range(THEFTS):
        coins.append(node.pay(node.new_address(), 500_000))
        if len(coins) % 20 == 0:
            node.mine()
    node.mine()
    raws = [node.signed_spend(coin, node.new_address(wallet="thief")) for coin in coins]
    with running_tower(tmp_path / "bwm", node) as busy:
        fill(busy, vaults)
        wallets = []
        for raw in raws:
            wallets.append(busy.wallet())
            wallets[-1].register(vault(node.rpc("decoderawtransaction", raw)["txid"]))
        wait_until(lambda: not busy.bwm.rows("SELECT 1 FROM backlog LIMIT 1"), "the taking up", 60)
        took_s = []
        with Registrars(busy) as registrars:
            wait_until(lambda: len(registrars.statuses) > A_SECOND, "the flood", 60)
            for wallet, raw in zip(wallets, raws, strict=True):
                began = time.time()
                node.send(raw)
                [push] = busy.expo.wait_for(wallet.token, limit_s=60)
                took_s.append(busy.expo.arrived_at[busy.expo.pushes.index(push)] - began)
                time.sleep(0.25)
    took_s.sort()
    print(f"{vaults} vaults, {registrars.per_s:.0f} registrations/s: median {took_s[len(took_s) // 2]:.2f} s, "
          f"p99 {took_s[-1]:.2f} s")  # fmt: skip
    assert set(registrars.statuses) == {200}
    assert took_s[-1] <= 2
