"""Tens of thousands of triggers from one file: written together, and each as good as a single one."""

import os

from regtest.node import wait_until

VAULTS, EACH = 100, 300
INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"


def test_a_theft_among_thousands_of_triggers_is_told_to_its_own_vault(node, bwm, coin, thief):
    rows = [f"v{n},{os.urandom(32).hex()}:0" for n in range(VAULTS) for _ in range(EACH)]
    rows.insert(len(rows) // 2, f"v7,{coin}")
    bwm.start()
    indexes = bwm.rows(INDEXES)

    done = bwm("add-vault", "--from-file", "-", stdin="\n".join(["name,outpoint", *rows]))

    assert bwm.rows(INDEXES) == indexes
    assert f"Added {VAULTS - 20} other vaults: {(VAULTS - 20) * EACH} triggers." in done.stdout
    assert bwm.status()["triggers"] == len(rows)
    wait_until(lambda: bwm.status()["covered"], "the new vaults to be watched")
    theft = node.spend(coin, thief)
    assert bwm.wait_for_event("trigger.seen", txid=theft)["vault"] == "v7"


def test_what_was_mined_already_is_found_for_thousands_of_txids(node, bwm, coin, thief):
    theft = node.spend(coin, thief)
    node.mine()
    rows = [f"many,{os.urandom(32).hex()}" for _ in range(2_000)]

    done = bwm("add-vault", "--from-file", "-", stdin="\n".join(["name,txid", *rows, f"many,{theft}"]))

    assert "only their first 2 outputs were looked for" in done.stderr
    bwm.start()
    assert bwm.wait_for_event("trigger.confirmed", txid=theft)["height"] == node.height


def test_a_file_with_one_name_that_is_taken_adds_nothing(node, bwm, coin):
    bwm("add-vault", "v500", "--outpoint", coin)
    rows = [f"v{n},{os.urandom(32).hex()}:0" for n in range(1_000)]

    done = bwm("add-vault", "--from-file", "-", stdin="\n".join(["name,outpoint", *rows]), exit_code=2)

    assert "'v500'" in done.stderr
    assert bwm.status()["vaults"] == 1
