"""The unsigned signal transaction, taken apart again byte by byte."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.outpoint import outpoint_key
from bwm.chain.tx import parse_tx
from bwm.errors import UsageError
from bwm.guardian.grammar import MAX_NONCE, Payload, parse_script
from bwm.guardian.psbt import DUST_SATS, Coin, signal_box, signal_vsize, unsigned_signal
from bwm.guardian.signal import read_signals
from tests.unit.guardian_watcher import SCRIPTS

SCRIPT = SCRIPTS["p2wpkh"]
COIN = Coin(outpoint_key("ab" * 31 + "01", 3), 100_000, SCRIPT)


def taken_apart(psbt):
    """(unsigned transaction, witness_utxo) of a PSBT with these two entries and two empty output maps."""
    raw = base64.b64decode(psbt, validate=True)
    assert raw[:8] == b"psbt\xff\x01\x00" + raw[7:8]
    size = raw[7]
    tx, rest = raw[8 : 8 + size], raw[8 + size :]
    assert rest[:3] == b"\x00\x01\x01"
    utxo_size = rest[3]
    assert rest[4 + utxo_size :] == b"\x00\x00\x00"
    return parse_tx(tx), rest[4 : 4 + utxo_size]


@given(st.booleans(), st.integers(1, MAX_NONCE), st.integers(1, 500))
def test_the_psbt_holds_the_canonical_signal(lock, nonce, feerate):
    payload = Payload(lock, nonce)
    tx, utxo = taken_apart(unsigned_signal(payload, COIN, feerate).psbt)
    (spend,) = tx.inputs
    signal, change = tx.outputs
    assert (tx.version, tx.locktime, spend.sequence, spend.script_sig) == (2, 0, 0xFFFFFFFF, b"")
    assert spend.spends == COIN.outpoint
    assert (signal.sats, parse_script(signal.script)) == (0, payload)
    assert change.script == SCRIPT
    assert COIN.sats - change.sats == feerate * signal_vsize(payload)
    assert utxo == (100_000).to_bytes(8, "little") + bytes((22,)) + SCRIPT
    assert read_signals(tx, SCRIPT, {spend.spends: SCRIPT}).flags == ("uncommitted",)  # until it is signed


@pytest.mark.parametrize(("payload", "vsize"), [("lock 2", 140), ("unlock 1", 141), ("lock 4294967295", 149)])
def test_the_size_is_that_of_signed_transactions(payload, vsize):
    switch, nonce = payload.split()
    assert signal_vsize(Payload(switch == "lock", int(nonce))) == vsize


def test_a_fee_is_rounded_up():
    tx, _ = taken_apart(unsigned_signal(Payload(True, 2), COIN, 1.001).psbt)
    assert COIN.sats - tx.outputs[1].sats == 141


def test_the_smallest_coin_leaves_the_smallest_change():
    least = DUST_SATS + 20 * 140
    tx, _ = taken_apart(unsigned_signal(Payload(True, 2), Coin(COIN.outpoint, least, SCRIPT), 20).psbt)
    assert tx.outputs[1].sats == DUST_SATS
    with pytest.raises(UsageError, match="larger coin"):
        unsigned_signal(Payload(True, 2), Coin(COIN.outpoint, least - 1, SCRIPT), 20)


@pytest.mark.parametrize("kind", ["p2pkh", "p2sh", "p2wsh", "p2tr"])
def test_other_types_have_no_canonical_signal(kind):
    with pytest.raises(UsageError, match="P2WPKH"):
        unsigned_signal(Payload(True, 2), Coin(COIN.outpoint, 100_000, SCRIPTS[kind]), 20)


@pytest.mark.parametrize("nonce", [0, -1, MAX_NONCE + 1])
def test_a_nonce_without_effect_is_refused(nonce):
    with pytest.raises(UsageError, match="nonce"):
        unsigned_signal(Payload(True, nonce), COIN, 20)


@pytest.mark.parametrize("feerate", [0, -1, float("inf"), float("nan")])
def test_a_feerate_that_is_none_is_refused(feerate):
    with pytest.raises(UsageError, match="feerate"):
        unsigned_signal(Payload(True, 2), COIN, feerate)


def coins(*amounts):
    return [Coin(outpoint_key("cd" * 32, n), sats, SCRIPT) for n, sats in enumerate(amounts)]


def test_a_box_spends_another_coin_for_each_feerate_and_the_largest_for_the_dearest():
    box = signal_box(Payload(True, 2), coins(20_000, 90_000, 50_000), [10, 50, 20])
    assert [(signal.feerate, signal.coin.sats) for signal in box] == [(10, 20_000), (50, 90_000), (20, 50_000)]
    assert [signal.fee_sats for signal in box] == [1400, 7000, 2800]


def test_a_box_leaves_coins_alone_that_are_the_last_resort():
    few, plenty = coins(90_000, 50_000), coins(90_000, 50_000, 10_000)
    last_resort = [plenty[0].outpoint]
    assert [one.coin.sats for one in signal_box(Payload(True, 3), plenty, [20, 1], last_resort)] == [50_000, 10_000]
    assert [one.coin.sats for one in signal_box(Payload(True, 3), few, [20, 1], last_resort)] == [90_000, 50_000]


def test_a_box_needs_as_many_coins_as_feerates():
    with pytest.raises(UsageError, match="1 confirmed coins, and 2 feerates"):
        signal_box(Payload(True, 2), coins(90_000), [10, 20])
