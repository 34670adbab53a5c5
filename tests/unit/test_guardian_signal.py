"""What one transaction says to one guardian, over the table of transactions and every kind of input."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bwm.chain.sighash import commits, sighashes
from bwm.chain.tx import Input, Output
from bwm.guardian.duty import changes, not_verified
from bwm.guardian.grammar import Payload
from bwm.guardian.notice import SEVERITY
from bwm.guardian.registration import refusal_of_script, refusal_to_add
from bwm.guardian.signal import read_signals
from bwm.guardian.state import GuardianState, Signal, observed
from tests.unit.guardian_watcher import (
    KEY,
    LOOK_ALIKE,
    OTHER_GUARDIAN,
    SCRIPTS,
    SIGHASHES,
    STRANGER,
    coin,
    make_tx,
    output,
    signature,
)

TABLE = tomllib.loads((Path(__file__).parents[1] / "data" / "guardian" / "transactions.toml").read_text())
ROWS = TABLE["transaction"]


def spend_of(words, position, kind):
    """(input, scriptPubKey of its coin or None) in the words of transactions.toml."""
    options = dict(word.split("=") for word in words.split() if "=" in word)
    whose = " ".join(word for word in words.split() if "=" not in word)
    script = {
        "guardian": SCRIPTS[kind],
        "other guardian": OTHER_GUARDIAN,
        "stranger": STRANGER,
        "look-alike": LOOK_ALIKE,
    }.get(whose)
    sighash = SIGHASHES[options.get("sighash", "ALL")]
    witness = (bytes(64),) if kind == "p2tr" else (signature(sighash), KEY)
    spends = bytes(32) + b"\xff" * 4 if whose == "coinbase" else coin(f"{whose} {position}")
    return Input(spends, b"", int(options.get("sequence", "ffffffff"), 16), witness), script


def read(row, guardian=None):
    kind = row.get("guardian", "p2wpkh")
    spends = [spend_of(words, position, kind) for position, words in enumerate(row["inputs"])]
    outputs = [output(words, SCRIPTS[kind]) for words in row["outputs"]]
    tx = make_tx(row["id"], [spend for spend, _ in spends], outputs)
    return read_signals(tx, guardian or SCRIPTS[kind], {spend.spends: script for spend, script in spends})


def kinds(notices):
    return [notice.kind.removeprefix("guardian.") for notice in notices]


def test_every_transaction_is_in_the_table():
    assert {row["id"][:3] for row in ROWS} >= {f"T{n:02}" for n in range(1, 25)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_transaction_is_read_as_the_table_says(row):
    reading = read(row)
    assert reading.verdict == row.get("verdict", "authentic")
    assert (reading.lock, reading.unlock) == (row.get("lock"), row.get("unlock"))
    if reading.verdict == "authentic":
        assert list(reading.flags) == row.get("flags", [])
    assert kinds(reading.warnings) == row.get("warnings", [])
    assert row.get("says", "") in " ".join(notice.reason for notice in reading.warnings)


def test_a_transaction_of_two_guardians_locks_both():
    row = next(row for row in ROWS if row["id"].startswith("T21"))
    assert read(row).lock == read(row, guardian=OTHER_GUARDIAN).lock == 2


def test_only_counted_signals_of_the_guardian_are_counted():
    conflict = next(row for row in ROWS if row["id"].startswith("T10"))
    signals = {(signal.payload, signal.counted) for signal in observed(read(conflict), 7)}
    assert signals == {(Payload(True, 5), True), (Payload(False, 6), False)}
    forged = next(row for row in ROWS if row["id"].startswith("T04"))
    assert observed(read(forged), 7) == ()


def test_a_transaction_that_the_node_no_longer_has_may_lock_and_not_unlock():
    def reading(payload):
        tx = make_tx("gone", [Input(coin("g"), b"", 0xFFFFFFFF, (signature(), KEY))], [Output(0, payload.to_script())])
        return read_signals(tx, SCRIPTS["p2wpkh"], {coin("g"): SCRIPTS["p2wpkh"]}, vouched=False)

    assert reading(Payload(True, 2)).lock == 2
    assert reading(Payload(False, 2)).unlock is None


def test_a_coinbase_spends_no_coin_whatever_the_caller_found():
    nothing = bytes(32) + b"\xff" * 4
    tx = make_tx("coinbase", [Input(nothing, b"", 0, (signature(), KEY))], [Output(0, Payload(True, 2).to_script())])
    assert read_signals(tx, SCRIPTS["p2wpkh"], {nothing: SCRIPTS["p2wpkh"]}).verdict == "not-signed"


def test_an_unresolved_lock_is_told_after_a_minute():
    row = next(row for row in ROWS if row["id"].startswith("T23"))
    assert not_verified(read(row), first_seen_at=100, now=159) == ()
    (late,) = not_verified(read(row), first_seen_at=100, now=160)
    assert (late.kind, late.severity) == ("guardian.unverified_lock", "critical")
    assert not_verified(read(ROWS[0]), first_seen_at=100, now=160) == ()


def test_the_last_coin_leaving_is_told():
    row = next(row for row in ROWS if row["id"].startswith("T14"))
    unlocked, locked = GuardianState("unlocked", 1), GuardianState("locked", 2)
    assert "balance_zero" in kinds(changes(unlocked, locked, [read(row)], balance_sats=0))
    assert "balance_zero" not in kinds(changes(unlocked, locked, [read(row)], balance_sats=1))


def test_an_announced_split_is_told_softly():
    moved = read(next(row for row in ROWS if row["id"].startswith("T06")))
    state = GuardianState("unlocked", 1)
    assert [n.severity for n in changes(state, state, [moved])] == ["critical"]
    assert [n.severity for n in changes(state, state, [moved], announced={moved.txid})] == ["info"]


def test_a_stale_lock_is_urgent_and_a_stale_unlock_is_not():
    state = GuardianState("locked", 9)
    stale = {read(row).txid: changes(state, state, [read(row)]) for row in ROWS if row["id"][:3] in ("T01", "T15")}
    assert [(n.kind, n.severity) for notices in stale.values() for n in notices] == [
        ("guardian.stale_nonce", "high"),
        ("guardian.stale_nonce", "warning"),
    ]


def test_a_newer_unlock_in_the_mempool_is_no_reorg_of_the_older_one():
    older, newer = GuardianState("unlocked", 3, place="chain"), GuardianState("unlocked", 4, place="mempool")
    assert kinds(changes(older, newer)) == ["unlocked"]


def test_a_transaction_told_before_is_passed_over():
    reading = read(next(row for row in ROWS if row["id"].startswith("T18")))
    state = GuardianState("locked", 3)
    known = [Signal(reading.txid, Payload(True, 3), True, 0)]
    assert changes(state, state, [reading], known) == ()


def test_unusual_locktime_and_version_are_flagged():
    spend = Input(coin("g"), b"", 0xFFFFFFFF, (signature(), KEY))
    outputs = [Output(0, Payload(False, 3).to_script()), Output(5000, SCRIPTS["p2wpkh"])]
    tx = make_tx("odd", [spend], outputs, locktime=800_000, version=3)
    reading = read_signals(tx, SCRIPTS["p2wpkh"], {coin("g"): SCRIPTS["p2wpkh"]})
    assert (reading.unlock, reading.flags) == (3, ("locktime", "version"))


def test_every_severity_is_one_of_the_four():
    assert set(SEVERITY.values()) == {"info", "warning", "high", "critical"}


def push(data):
    """The shortest push of up to 65535 bytes."""
    if len(data) < 0x4C:
        return bytes((len(data),)) + data
    if len(data) < 0x100:
        return b"\x4c" + bytes((len(data),)) + data
    return b"\x4d" + len(data).to_bytes(2, "little") + data


MULTISIG = b"\x52" + b"\x21" + KEY + b"\x21" + KEY + b"\x52\xae"
LONG_SCRIPT = MULTISIG + bytes(512 - len(MULTISIG))
DER_LIKE_SCRIPT = b"\x30" + bytes(48) + b"\x75\x51"  # pushes 48 bytes
P2WPKH_INSIDE = push(SCRIPTS["p2wpkh"])
P2WSH_INSIDE = push(SCRIPTS["p2wsh"])
ALL, NONE, BOTH = signature(1), signature(2), signature(1, size=73)
TAPROOT_DEFAULT, TAPROOT_ALL, TAPROOT_NONE = bytes(64), bytes(64) + b"\x01", bytes(64) + b"\x02"
LEAF, CONTROL, ANNEX = b"\x20" + KEY[1:] + b"\xac", b"\xc0" + KEY[1:], b"\x50annex"


@pytest.mark.parametrize(
    ("kind", "script_sig", "witness", "expected"),
    [
        ("p2pkh", push(ALL) + push(KEY), (), (1,)),
        ("p2pkh", push(NONE) + push(KEY), (), (2,)),
        ("p2pkh", push(ALL) + push(NONE) + push(KEY), (), ()),
        ("p2pkh", b"\x51" + push(KEY), (), ()),
        ("p2pkh", push(ALL) + b"\x4b", (), ()),
        ("p2pkh", b"", (), ()),
        ("p2sh", P2WPKH_INSIDE, (ALL, KEY), (1,)),
        ("p2sh", P2WPKH_INSIDE, (NONE, KEY), (2,)),
        ("p2sh", P2WSH_INSIDE, (b"", ALL, NONE, MULTISIG), (1, 2)),
        ("p2sh", b"\x00" + push(ALL) + push(BOTH) + push(MULTISIG), (), (1, 1)),
        ("p2sh", b"\x00" + push(ALL) + push(NONE) + push(LONG_SCRIPT), (), (1, 2)),
        ("p2sh", push(MULTISIG), (), ()),
        ("p2sh", b"", (), ()),
        ("p2sh", b"\x00" + push(ALL) + push(DER_LIKE_SCRIPT), (), (1,)),
        ("p2wpkh", b"", (ALL, KEY), (1,)),
        ("p2wpkh", b"", (b"", KEY), ()),
        ("p2wpkh", b"", (), ()),
        ("p2wsh", b"", (b"", ALL, ALL, MULTISIG), (1, 1)),
        ("p2wsh", b"", (b"\x01", MULTISIG), ()),
        ("p2wsh", b"", (ALL, DER_LIKE_SCRIPT), (1,)),
        ("p2wsh", b"", (ALL + b"\x01\x01\x01", MULTISIG), ()),
        ("p2tr", b"", (TAPROOT_DEFAULT,), (1,)),
        ("p2tr", b"", (TAPROOT_NONE,), (2,)),
        ("p2tr", b"", (TAPROOT_DEFAULT, ANNEX), (1,)),
        ("p2tr", b"", (bytes(63),), ()),
        ("p2tr", b"", (TAPROOT_ALL, LEAF, CONTROL), (1,)),
        ("p2tr", b"", (TAPROOT_NONE, TAPROOT_DEFAULT, LEAF, CONTROL, ANNEX), (2, 1)),
        ("p2tr", b"", (LEAF, CONTROL), ()),
        ("p2tr", b"", (TAPROOT_DEFAULT, LEAF, CONTROL + bytes(32)), (1,)),
        ("p2tr", b"", (LEAF, CONTROL + bytes(31) + b"\x01"), ()),
        ("p2tr", b"", (), ()),
    ],
)
def test_the_sighash_of_every_signature_is_found(kind, script_sig, witness, expected):
    assert sighashes(Input(bytes(36), script_sig, 0, witness), SCRIPTS[kind]) == expected


@pytest.mark.parametrize(
    ("sighash", "same_output", "other_output"),
    [
        (0x01, True, True),
        (0x81, True, True),
        (0x03, True, False),
        (0x83, True, False),
        (0x02, False, False),
        (0x82, False, False),
        (0x00, False, False),
        (0x04, False, False),
        (0x41, False, False),
    ],
)
def test_a_sighash_binds_the_outputs_it_should(sighash, same_output, other_output):
    spend = Input(bytes(36), b"", 0, (signature(sighash), KEY))
    assert commits(spend, SCRIPTS["p2wpkh"], 1, 1) == same_output
    assert commits(spend, SCRIPTS["p2wpkh"], 1, 0) == other_output


def test_every_signature_of_an_input_must_bind_the_output():
    spend = Input(bytes(36), b"", 0, (b"", ALL, NONE, MULTISIG))
    assert not commits(spend, SCRIPTS["p2wsh"], 0, 0)
    assert commits(replace(spend, witness=(b"", ALL, ALL, MULTISIG)), SCRIPTS["p2wsh"], 0, 0)


@pytest.mark.parametrize("kind", SCRIPTS)
def test_scripts_with_keys_may_be_guardians(kind):
    assert refusal_of_script(SCRIPTS[kind]) is None


@pytest.mark.parametrize("script", ["51024e73", "5214" + "aa" * 20, "6014" + "aa" * 20, "5114" + "aa" * 20])
def test_scripts_that_anyone_can_spend_are_refused(script):
    assert "anyone" in refusal_of_script(bytes.fromhex(script))


@pytest.mark.parametrize("script", ["", "51", "6a0568656c6c6f", "21" + "02" * 33 + "ac"])
def test_scripts_without_readable_signatures_are_refused(script):
    assert "cannot read" in refusal_of_script(bytes.fromhex(script))


def test_a_guardian_without_coins_or_with_a_high_nonce_is_refused():
    assert refusal_to_add(GuardianState("unlocked", 1), coins=1) is None
    assert "no coin" in refusal_to_add(GuardianState("unlocked", 1), coins=0)
    assert "65536" in refusal_to_add(GuardianState("unlocked", 65536), coins=1)
    assert refusal_to_add(GuardianState("unlocked", 65536), coins=1, accept_high_nonce=True) is None
