"""Blocks: the sieve against python-bitcoinlib, on blocks made here and, where $BWM_BLOCKS says, on real ones."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from bitcoin.core import CBlock
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.block import header_of, keys_of_block, transaction_bytes
from bwm.chain.sieve import txid_keys, wanted
from bwm.chain.tx import Input, Output, parse_tx
from bwm.errors import Damaged
from tests.blocks import GENESIS, GENESIS_TXID, block, transaction
from tests.strategies import transaction_parts

blocks = st.lists(transaction_parts, min_size=1, max_size=6).map(
    lambda parts: block([transaction(**one) for one in parts])
)


def _large_block() -> bytes:
    """More transactions than one byte counts; with and without witness, and one output script again and again."""
    return block(
        [
            transaction(
                [Input(n.to_bytes(36, "little"), bytes(n % 110), n, (bytes(64),) * (n % 3)) for _ in range(1 + n % 4)],
                [Output(n, b"\x51\x20" + bytes([n % 7]) * 32), Output(0, b"\x6a" + bytes(n % 300))],
            )
            for n in range(1, 400)
        ]
    )


REAL = sorted(Path(os.environ["BWM_BLOCKS"]).glob("*.raw")) if "BWM_BLOCKS" in os.environ else []
whole_blocks = pytest.mark.parametrize(
    "raw",
    [
        pytest.param(GENESIS, id="genesis"),
        pytest.param(_large_block(), id="made"),
        *(pytest.param(path.read_bytes(), id=path.stem) for path in REAL),
    ],
)


def _assert_agrees_with_python_bitcoinlib(raw: bytes) -> None:
    sieved = keys_of_block(raw)
    theirs = CBlock.deserialize(raw).vtx
    own = [[one.prevout.serialize() for one in tx.vin] + [bytes(one.scriptPubKey) for one in tx.vout] for tx in theirs]
    assert sieved.keys == [key for keys in own for key in keys]
    assert [first for _, first in sieved.starts] == [sum(map(len, own[:n])) for n in range(len(own))]
    assert [transaction_bytes(raw, sieved, n) for n in range(len(own))] == [tx.serialize() for tx in theirs]
    assert txid_keys(raw, sieved) == [tx.GetTxid() for tx in theirs]


@whole_blocks
def test_the_sieve_agrees_with_python_bitcoinlib(raw):
    _assert_agrees_with_python_bitcoinlib(raw)


@given(blocks)
def test_the_sieve_agrees_with_python_bitcoinlib_on_any_block(raw):
    _assert_agrees_with_python_bitcoinlib(raw)


@whole_blocks
def test_the_sieve_finds_the_keys_that_are_wanted_and_their_transactions(raw):
    _assert_finds_what_is_wanted(raw, every=97)


@given(blocks, st.integers(1, 5))
def test_the_sieve_finds_the_keys_that_are_wanted_in_any_block(raw, every):
    _assert_finds_what_is_wanted(raw, every)


def _assert_finds_what_is_wanted(raw: bytes, every: int) -> None:
    whole = keys_of_block(raw)
    some = {*whole.keys[::every], b"", b"short", bytes(36)}
    sieved = keys_of_block(raw, wanted(some))
    theirs = CBlock.deserialize(raw).vtx
    own = [[one.prevout.serialize() for one in tx.vin] + [bytes(one.scriptPubKey) for one in tx.vout] for tx in theirs]
    kept = [[key for key in keys if key in some] for keys in own]
    assert sieved.keys == [key for keys in kept for key in keys]
    assert [first for _, first in sieved.starts] == [sum(map(len, kept[:n])) for n in range(len(kept))]
    assert [begin for begin, _ in sieved.starts] == [begin for begin, _ in whole.starts]
    assert sieved.stem_ends == whole.stem_ends


@whole_blocks
def test_the_parser_agrees_with_the_sieve(raw):
    sieved = keys_of_block(raw)
    txs = [parse_tx(transaction_bytes(raw, sieved, n)) for n in range(len(sieved.starts))]
    assert sieved.keys == [
        key for tx in txs for key in [*(one.spends for one in tx.inputs), *(one.script for one in tx.outputs)]
    ]
    assert [tx.txid for tx in txs] == [key[::-1].hex() for key in txid_keys(raw, sieved)]
    assert [tx.is_coinbase for tx in txs[1:]] == [False] * (len(txs) - 1)


@whole_blocks
def test_the_header_hashes_to_what_python_bitcoinlib_says(raw):
    theirs, ours = CBlock.deserialize(raw), header_of(raw)
    assert ours.hash == theirs.GetHash()[::-1].hex()
    assert ours.previous == theirs.hashPrevBlock[::-1].hex()
    assert ours.time == theirs.nTime


def test_the_genesis_block():
    assert header_of(GENESIS).time == 1231006505
    assert txid_keys(GENESIS, keys_of_block(GENESIS)) == [bytes.fromhex(GENESIS_TXID)[::-1]]


def test_a_header_alone_is_enough_for_the_header():
    assert header_of(GENESIS[:80]) == header_of(GENESIS)


@given(st.binary(max_size=79))
def test_less_than_a_header_is_damaged(raw):
    with pytest.raises(Damaged, match="80 bytes"):
        header_of(raw)


@given(blocks, st.data())
def test_a_block_cut_short_or_followed_by_more_is_damaged(raw, data):
    cut = data.draw(st.integers(0, len(raw) - 1))
    for damaged in raw[:cut], raw + b"\0":
        with pytest.raises(Damaged):
            keys_of_block(damaged)


@whole_blocks
def test_a_block_is_damaged_wherever_it_is_cut(raw):
    for cut in range(0, len(raw), len(raw) // 50):
        with pytest.raises(Damaged):
            keys_of_block(raw[:cut])


@given(st.binary(max_size=300))
def test_anything_else_raises_nothing_but_damaged(tail):
    for count in b"", b"\1", b"\xfd\0\1", b"\xff" * 9:
        with suppress(Damaged):
            keys_of_block(GENESIS[:80] + count + tail)


def test_a_block_without_a_transaction_is_damaged():
    with pytest.raises(Damaged):
        keys_of_block(block([]))
