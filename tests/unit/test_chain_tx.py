"""Transactions: the parser and the sieve against each other, python-bitcoinlib and every sort of damage."""

from dataclasses import replace

import pytest
from bitcoin.core import CTransaction
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.tx import Input, Output, Tx, keys_of_tx, parse_tx, txid_of
from bwm.errors import Damaged
from tests.blocks import GENESIS, GENESIS_TXID, transaction
from tests.strategies import transaction_parts

COIN = Input(spends=b"\x07" * 36, script_sig=b"", sequence=0xFFFFFFFF, witness=())
SIGNED = replace(COIN, witness=(b"signature", b"key"))
PAID = Output(sats=5_000, script=b"\x51")


@given(transaction_parts)
def test_a_parsed_transaction_has_the_parts_that_it_was_made_of(parts):
    raw = transaction(**parts)
    tx = parse_tx(raw)
    assert (tx.inputs, tx.outputs) == (parts["inputs"], parts["outputs"])
    assert (tx.version, tx.locktime, tx.raw) == (parts["version"], parts["locktime"], raw)


@given(transaction_parts)
def test_the_sieve_gives_every_outpoint_and_then_every_script(parts):
    keys = [one.spends for one in parts["inputs"]] + [one.script for one in parts["outputs"]]
    assert keys_of_tx(transaction(**parts)) == keys


@given(transaction_parts)
def test_the_txid_is_that_of_python_bitcoinlib(parts):
    raw = transaction(**parts)
    theirs = CTransaction.deserialize(raw)
    assert txid_of(raw) == parse_tx(raw).txid == theirs.GetTxid()[::-1].hex()


@pytest.mark.parametrize("count", [252, 253, 65_535, 65_536])
def test_counts_of_inputs_outputs_and_witness_items_may_need_more_than_a_byte(count):
    raw = transaction([replace(COIN, witness=(b"",) * count), *[COIN] * (count - 1)], [PAID] * count)
    assert keys_of_tx(raw) == [COIN.spends] * count + [PAID.script] * count
    assert len(parse_tx(raw).inputs[0].witness) == count


@pytest.mark.parametrize("size", [252, 253, 65_535, 65_536])
def test_lengths_of_scripts_and_witness_items_may_need_more_than_a_byte(size):
    long = b"\x51" * size
    tx = parse_tx(transaction([replace(COIN, script_sig=long, witness=(long,))], [replace(PAID, script=long)]))
    assert (tx.inputs[0].script_sig, tx.inputs[0].witness, tx.outputs[0].script) == (long, (long,), long)
    assert keys_of_tx(tx.raw) == [COIN.spends, long]


def test_the_first_transaction_of_all():
    tx = parse_tx(GENESIS[81:])
    assert tx.txid == GENESIS_TXID
    assert tx.is_coinbase
    assert tx.outputs[0].sats == 50 * 100_000_000


def test_a_spend_is_no_coinbase():
    assert not parse_tx(transaction([COIN], [PAID])).is_coinbase


def test_the_version_is_unsigned_as_the_node_prints_it():
    assert parse_tx(transaction([COIN], [PAID], version=0xFFFFFFFF)).version == 0xFFFFFFFF


@given(transaction_parts, st.data())
def test_a_transaction_cut_short_or_followed_by_more_is_damaged(parts, data):
    raw = transaction(**parts)
    cut = data.draw(st.integers(0, len(raw) - 1))
    for damaged in raw[:cut], raw + raw[: cut + 1]:
        for read in parse_tx, keys_of_tx, txid_of:
            with pytest.raises(Damaged):
                read(damaged)


@given(st.binary() | st.binary().map(lambda rest: b"\x02\0\0\0\0\1" + rest))
def test_x41_anything_else_is_damaged_and_raises_nothing_but_that(raw):
    _assert_consistent_or_damaged(raw)


@given(transaction_parts, st.data())
def test_a_changed_byte_gives_another_transaction_or_damage(parts, data):
    raw = bytearray(transaction(**parts))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    _assert_consistent_or_damaged(bytes(raw))


def _assert_consistent_or_damaged(raw: bytes) -> None:
    try:
        tx: Tx = parse_tx(raw)
    except Damaged:
        return
    assert keys_of_tx(raw) == [one.spends for one in tx.inputs] + [one.script for one in tx.outputs]
    assert tx.raw == raw


LEGACY, SEGWIT = transaction([COIN], [PAID]), transaction([SIGNED], [PAID])


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(transaction([], [PAID]), id="without an input"),
        pytest.param(transaction([], []), id="without anything"),
        pytest.param(SEGWIT[:4] + b"\0\1\0\0" + SEGWIT[-4:], id="segwit without an input"),
        pytest.param(SEGWIT[:5] + b"\2" + SEGWIT[6:], id="a flag that nobody knows"),
        pytest.param(LEGACY[:4] + b"\0\1" + LEGACY[4:-4] + b"\0" + LEGACY[-4:], id="a witness without items"),
        pytest.param(LEGACY[:4] + b"\xfd\1\0" + LEGACY[5:], id="a count longer than need be"),
        pytest.param(LEGACY[:4] + b"\xff" * 9 + LEGACY[5:], id="more inputs than atoms in a tree"),
        pytest.param(transaction([COIN], [replace(PAID, script=bytes(4_000_000))]), id="larger than a block"),
        pytest.param(transaction([COIN], [replace(PAID, script=bytes(40_000_000))]), id="far larger"),
    ],
)
def test_x41_what_a_node_would_not_take_is_damaged(raw):
    with pytest.raises(Damaged):
        parse_tx(raw)
