"""The past of vaults that are added late: by the node's filters where it has some, else block by block."""

import time

import pytest

from bwm import config
from bwm.chain.network import network
from bwm.daemon.connect import connect
from bwm.daemon.registration import Wish, prepare
from bwm.db import new_vaults
from bwm.db.database import Database
from bwm.node.frames import Gap
from regtest.node import wait_until

BLOCKS = 40


@pytest.fixture(params=["filters", "blocks"])
def node(request, make_node):
    return make_node(extra_args=["-blockfilterindex=1"] if request.param == "filters" else [])


def covered(bwm):
    wait_until(lambda: bwm.status()["covered"], "the past to be read")


def test_a_theft_of_the_past_is_found_in_its_block_for_whoever_asks_for_that_past(node, bwm, address, thief):
    birthday = node.height + 1
    coin = node.pay(address, 1_000_000)
    node.mine(BLOCKS)
    theft = node.spend(coin, thief)
    node.mine(BLOCKS)
    bwm.start()

    bwm("add-vault", "early", "--address", address, "--birthday", birthday)
    bwm("add-vault", "late", "--address", address, "--birthday", birthday + BLOCKS + 2)
    covered(bwm)

    told = bwm.wait_for_event("trigger.confirmed", txid=theft)
    assert (told["vault"], told["height"]) == ("early", birthday + BLOCKS)
    assert not bwm.events(txid=theft, vault="late")
    assert {vault["name"]: vault["covered_from"] for vault in bwm.json("list-vaults")} == {
        "early": birthday,
        "late": birthday + BLOCKS + 2,
    }


def test_a_past_is_read_to_its_end_though_the_chain_became_shorter_meanwhile(node, bwm, ingest):
    node.mine(BLOCKS)
    birthday = node.height - 20
    ingest.turn([Gap("hashblock")])
    bwm("add-vault", "late", "--address", node.new_address(), "--birthday", birthday)
    ingest.turn([Gap("hashblock")])
    ingest.turn([])  # all up to the tip is in hand now
    assert bwm.rows("SELECT * FROM backlog WHERE next_height <= ?", node.height)
    node.rpc("invalidateblock", node.block_hash(node.height - 5))
    ingest.turn([Gap("hashblock")])

    for _ in range(2 * node.height):
        ingest.turn([])
    assert not bwm.rows("SELECT * FROM backlog")
    assert [row["covered_from"] for row in bwm.rows("SELECT * FROM vault WHERE name = 'late'")] == [birthday]


def test_a_theft_that_a_reorg_moves_while_its_past_is_read_is_found_where_it_is_then(node, bwm, ingest, thief):
    birthday, late = node.height + 1, node.new_address()
    coin = node.pay(late, 1_000_000)
    node.mine(5)
    theft = node.spend(coin, thief)
    [mined] = node.mine()
    node.mine()
    ingest.turn([Gap("hashblock")])
    bwm("add-vault", "late", "--address", late, "--birthday", birthday)
    ingest.turn([Gap("hashblock")])
    ingest.turn([])  # it is known which blocks to read
    node.rpc("invalidateblock", mined)
    node.mine_exactly()
    node.mine_exactly([theft])
    node.mine_exactly()  # the node may have its filters on the other branch for as long as it runs
    ingest.turn([Gap("hashblock")])

    for _ in range(2 * node.height):
        ingest.turn([])
    [told] = bwm.events("trigger.confirmed", txid=theft, vault="late")
    assert told["height"] == birthday + 6


def test_a_wallet_used_further_and_further_ahead_is_followed_through_its_past(node, bwm, thief):
    addresses = [node.new_address() for _ in range(61)]
    descriptors = node.rpc("listdescriptors", wallet="vault")["descriptors"]
    descriptor = next(one["desc"] for one in descriptors if one["desc"].startswith("wpkh(") and not one["internal"])
    birthday = node.height + 1
    spends = []
    for index in (15, 30, 45, 60):
        coin = node.pay(addresses[index], 1_000_000)
        node.mine()
        spends.append(node.spend(coin, thief))
        node.mine()
    bwm.start()

    bwm("add-vault", "wallet", "--descriptor", descriptor, "--birthday", birthday)

    for spend in spends:
        bwm.wait_for_event("trigger.confirmed", txid=spend)
    covered(bwm)


def test_many_vaults_of_one_age_are_read_for_together(node, bwm, thief):
    birthday = node.height + 1
    addresses = [node.new_address() for _ in range(20)]
    coins = [node.pay(address, 1_000_000) for address in addresses]
    node.mine()
    thefts = {node.spend(coin, thief): n for n, coin in enumerate(coins)}
    node.mine(BLOCKS)
    rows = "\n".join(f"v{n},{address},{birthday}" for n, address in enumerate(addresses))
    bwm.start()

    bwm("add-vault", "--from-file", "-", stdin=f"name,address,birthday\n{rows}\n")
    covered(bwm)

    for theft, n in thefts.items():
        assert bwm.wait_for_event("trigger.confirmed", txid=theft)["vault"] == f"v{n}"
    assert bwm.log_text().count("backlog.done") == 1


def test_what_is_not_read_yet_is_said(node, bwm, address):
    for name in "abcde":
        bwm("add-vault", name, "--address", address, "--birthday", 1)

    assert "the past of a, b, c and 2 more is still being read" in bwm.status()["not_covered"]


def test_a_theft_mined_between_the_look_up_and_the_taking_up_of_a_coin_is_found(node, bwm, address, thief):
    coin = node.pay(address, 1_000_000)
    node.mine()
    settings = config.load(bwm.config)
    prepared = prepare([Wish("cold", outpoints=(coin,))], network("regtest"), connect(settings))
    theft = node.spend(coin, thief)
    node.mine()
    bwm.start()  # it reads this block, and nobody watches for the coin

    database = Database(settings.database_url, settings.network)
    with database.connection():
        new_vaults.add(database, prepared.vaults, int(time.time()))

    bwm.wait_for_event("trigger.confirmed", txid=theft)
