"""With commitments on, a vault must come with the transaction that funded it."""

import sqlite3
from contextlib import closing

import pytest

from regtest.node import wait_until
from tests.api.conftest import running_tower
from tests.api.wallet import vault


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """The folder of another program's databases of addresses."""
    return tmp_path_factory.mktemp("addresses")


@pytest.fixture(scope="module")
def strict(tower, addresses):
    """A second bwm beside the same node."""
    more = f'commitments = true\naddresses = "{addresses}"\nrewind_networks = ["regtest", "tape"]\n'
    more += "triggers_of_device = 50\n"
    with running_tower(tower.bwm.home.with_name("strict"), tower.node, more) as strict:
        yield strict


def serve(folder, *addresses):
    with closing(sqlite3.connect(folder / "regtest.sqlite")) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS addresses (address TEXT PRIMARY KEY, created_at TIMESTAMP)")
        database.executemany("INSERT OR IGNORE INTO addresses VALUES (?, 0)", [(one,) for one in addresses])


def funded(strict, folder):
    """A vault's transaction that pays an address that is served: its bytes, its txid, and the coin."""
    node, address = strict.node, strict.node.new_address()
    coin = node.pay(address, 1_000_000)
    serve(folder, address)
    node.mine()
    txid = coin.partition(":")[0]
    return node.rpc("getrawtransaction", txid, False, node.tip), txid, coin


def test_the_checks_in_their_order(strict, addresses):
    wallet, (raw, _, _) = strict.wallet(), funded(strict, addresses)
    other = strict.node.pay(strict.node.new_address(), 50_000)
    strict.node.mine()
    unserved = strict.node.rpc("getrawtransaction", other.partition(":")[0], False, strict.node.tip)
    for commitment, status in ((None, 403), ("", 403), ("zz", 400), ("00", 400), (unserved, 403)):
        more = {} if commitment is None else {"commitment": commitment}
        answer = wallet.register(vault(**more))
        assert (answer.status, "error" in answer.json) == (status, True)
        assert ("message" in answer.json) == (status == 403)

    one = vault(commitment=raw)
    assert wallet.register(one).status == 200
    assert wallet.register(one).status == 200
    assert wallet.register(vault(commitment=raw)).status == 403  # it is another vault's
    tape = strict.wallet(network="tape")
    assert tape.register(vault(commitment=raw)).status == 200  # a network of its own, the same database of addresses
    assert tape.ack(one["vaultId"]).status == 404


def test_only_what_spends_the_commitment_is_told(strict, addresses):
    wallet, node = strict.wallet(), strict.node
    raw, txid, coin = funded(strict, addresses)
    stray, stray_raw = strict.signed_trigger()
    right = node.signed_spend(coin, node.new_address(wallet="thief"))
    trigger = node.rpc("decoderawtransaction", right)["txid"]
    assert wallet.register(vault(stray, trigger, commitment=raw)).status == 200

    node.send(stray_raw)
    strict.bwm.wait_for_event("trigger.seen", txid=stray)
    node.send(right)

    [push] = strict.expo.wait_for(wallet.token)
    assert push["data"]["txid"] == trigger
    assert [item["txid"] for item in wallet.notifications()] == [trigger]
    assert txid in node.rpc("decoderawtransaction", right)["vin"][0]["txid"]


def test_a_database_of_addresses_that_is_away_is_an_error_of_the_server(strict, addresses):
    raw, _, _ = funded(strict, addresses)
    (addresses / "regtest.sqlite").rename(addresses / "away")
    try:
        assert strict.wallet().register(vault(commitment=raw)).status == 500
    finally:
        (addresses / "away").rename(addresses / "regtest.sqlite")
    wait_until(lambda: strict.wallet().register(vault(commitment=raw)).status == 200, "the database's return")


def test_x13_one_device_cannot_have_everything_watched_and_others_are_not_affected(strict, addresses):
    greedy, raws = strict.wallet(), [funded(strict, addresses)[0] for _ in range(3)]
    kept = vault(*(f"{number:064x}" for number in range(40)), commitment=raws[0])
    assert greedy.register(kept).status == 200
    refused = vault(*(f"{number:064x}" for number in range(20)), commitment=raws[1])
    answer = greedy.register(refused)
    assert (answer.status, "retry-after" in answer.headers) == (429, True)
    assert greedy.ack(refused["vaultId"]).status == 404
    assert greedy.ack(kept["vaultId"]).status == 200
    assert strict.wallet().register(vault("ab" * 32, commitment=raws[2])).status == 200
