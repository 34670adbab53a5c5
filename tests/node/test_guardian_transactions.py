"""Every transaction of the guardian's table, really signed and validated by a real node."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from bitcoin.core import Hash160

from regtest.node import wait_until
from tests.guardian_signer import FEE, FINAL, KINDS, Coin, Draft, Signer, fund, said, sized
from tests.node.guardian_stage import Stage, set_stage

ROWS = tomllib.loads((Path(__file__).parents[1] / "data" / "guardian" / "transactions.toml").read_text())["transaction"]
# Coins that cannot be found are in test_guardian_hard_cases.py, look-alikes and a coinbase have tests of their own.
ELSEWHERE = ("unfound", "look-alike", "coinbase")
PLAYED = [row for row in ROWS if not any(words in ELSEWHERE for words in row["inputs"])]
OF_STATE = ("locked", "unlocked", "unlock_pending", "sibling", "stale_nonce", "void_lock_attempt")


@pytest.fixture(scope="module")
def stage(bitcoind: Path) -> Iterator[Stage]:
    with set_stage(bitcoind) as stage:
        yield stage


@pytest.fixture(scope="module")
def actors(stage):
    """A guardian for each row, by the row's id; and another one for rows that need two."""
    names = {kind: [row["id"] for row in PLAYED if row.get("guardian", "p2wpkh") == kind] for kind in KINDS}
    cast = [actor for kind in KINDS if names[kind] for actor in stage.cast(names[kind], kind, coins=1)]
    return {actor.name: actor for actor in [*cast, *stage.cast(["the other", "the other too"], coins=1)]}


def built(stage, row, actor, others):
    """The row's transaction, signed."""
    stranger = Signer(stage.node)
    spends, signers = [], []
    for words in row["inputs"]:
        whose = " ".join(word for word in words.split() if "=" not in word)
        options = dict(word.split("=") for word in words.split() if "=" in word)
        if whose == "stranger":
            signer, coin = stranger, fund(stage.node, [stranger.script])[0]
        else:
            owner = actor if whose == "guardian" else others.pop()
            signer, coin = owner.signer, owner.coins.pop()
        spends.append((coin, int(options.get("sequence", "ffffffff"), 16)))
        signers.append((signer, options.get("sighash", "ALL")))
    outputs = []
    for words in row["outputs"]:
        text, _, sats = words.partition(" + ")
        scripts = {"guardian": actor.signer.script, "stranger": stranger.script}
        outputs.append((int(sats.removesuffix(" sats") or 0), scripts.get(text) or said(text)))
    paying = [script for _, script in outputs if script[0] != 0x6A]
    share = (sum(coin.sats for coin, _ in spends) - FEE) // max(1, len(paying))
    draft = Draft(spends, [(share if script in paying else sats, script) for sats, script in outputs])
    for place, (signer, sighash) in enumerate(signers):
        signer.sign(draft, sighash, [place])
    return draft.hex()


@pytest.mark.parametrize("row", PLAYED, ids=lambda row: row["id"])
def test_a_transaction_is_read_on_a_node_as_the_table_says(stage, actors, row):
    actor = actors[row["id"]]
    others = [actors["the other" if row["id"].endswith("by the one") else "the other too"]]
    raw = built(stage, row, actor, list(others))
    seq = stage.last_seq()

    txid = stage.send_or_mine(raw)

    counts = {f"{switch} {row[switch]}" for switch in ("lock", "unlock") if switch in row}
    payloads = {words.partition(" + ")[0] for words in row["outputs"] if words.split()[0] in ("lock", "unlock")}
    if row.get("verdict") != "not-signed":
        wait_until(lambda: stage.status(actor.name, txid), f"a sighting of {row['id']}")
        assert stage.signals(actor.name, txid) == {payload: payload in counts for payload in payloads}
    if txid in stage.node.mempool():
        stage.node.mine_exactly([txid])
    stage.caught_up()
    assert stage.signals(actor.name, txid) == (
        {} if row.get("verdict") == "not-signed" else {payload: payload in counts for payload in payloads}
    )
    told = [event["kind"] for event in stage.told(actor.name, seq, txid) if event["kind"] not in OF_STATE]
    if row["id"].startswith("T14"):
        assert told == []  # the guardian has other coins: that the last one leaves is in test_guardian_daemon.py
    assert told == row.get("warnings", [])
    expected = "unlocked(1)"
    if "lock" in row:
        expected = f"locked({row['lock']})"
    elif "unlock" in row:
        expected += f" pending {row['unlock']}"
    assert stage.state(actor.name) == expected
    if "other guardian" in row["inputs"]:
        assert stage.state(others[0].name) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_x33_a_guardian_of_each_type_locks_and_unlocks_and_its_look_alike_does_not(stage, kind):
    [actor] = stage.cast([kind], kind)
    signer = actor.signer

    lock = stage.node.send(signer.signal(actor.coins.pop(), "lock 2"))
    wait_until(lambda: stage.state(kind) == "locked(2)", "the lock")
    unlock = stage.node.send(signer.signal(actor.coins.pop(), "unlock 3"))
    wait_until(lambda: stage.state(kind) == "locked(2) pending 3", "the unlock")
    stage.node.mine_exactly([lock, unlock])
    stage.bury(5)
    wait_until(lambda: stage.state(kind) == "unlocked(3)", "the unlock to be final")

    seq = stage.last_seq()
    forged = look_alike(stage, signer, signer.sign(signer.draft([actor.coins.pop()], ["lock 9"])))
    stage.node.mine_exactly([forged.hex()])
    stage.caught_up()
    assert stage.state(kind) == "unlocked(3)"
    assert [event["kind"] for event in stage.told(kind, seq)] == ["forged"]

    if not kind.startswith("p2tr"):  # the node signs for taproot with the default alone
        loose = stage.node.send(signer.signal(actor.coins.pop(), "unlock 4", sighash="NONE"))
        wait_until(lambda: stage.status(kind, loose), "the unlock that no signature binds")
        assert stage.state(kind) == "unlocked(3)"
        assert stage.signals(kind, loose) == {"unlock 4": False}


def look_alike(stage, signer, genuine):
    """A transaction that shows what a genuine one shows, byte for byte, and spends an output that anyone can."""
    witness = genuine.witnesses[0]
    if signer.kind == "p2pkh":
        bait, script_sig = bytes.fromhex("6d51"), genuine.script_sigs[0]  # OP_2DROP OP_1
    elif signer.kind == "p2sh-p2wpkh":
        redeem = b"\x52" + genuine.script_sigs[0][2:]  # a witness version that nobody knows
        bait, script_sig = b"\xa9\x14" + Hash160(redeem) + b"\x87", sized(redeem)
    else:
        bait, script_sig = b"\x52" + signer.script[1:], b""
    [coin] = fund(stage.node, [bait])
    outputs = [(0, said("lock 9")), (coin.sats - FEE, signer.script)]
    return Draft([(coin, FINAL)], outputs, {0: script_sig}, {0: witness})


def test_a_coinbase_that_says_lock_is_nobodys_signal(stage):
    [actor] = stage.cast(["beside a coinbase"])
    seq = stage.last_seq()
    stage.node.rpc("generateblock", f"raw({said('lock 2').hex()})", [])
    stage.caught_up()
    assert (stage.state(actor.name), stage.told(actor.name, seq)) == ("unlocked(1)", [])


def test_an_unlock_that_spends_the_unconfirmed_change_of_a_lock_is_pending(stage):
    [actor] = stage.cast(["chained"])
    lock = actor.signer.sign(actor.signer.draft([actor.coins.pop()], ["lock 2"]))
    txid = stage.node.send(lock.hex())
    change = Coin(f"{txid}:1", lock.outputs[1][0], actor.signer.script)
    stage.node.send(actor.signer.signal(change, "unlock 3"))
    wait_until(lambda: stage.state(actor.name) == "locked(2) pending 3", "both")
