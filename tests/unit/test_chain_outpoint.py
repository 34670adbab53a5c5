"""Txids and outpoints: text to key and back, and what is wrong with a text that is neither."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.outpoint import (
    outpoint_key,
    outpoint_text,
    parse_outpoint,
    parse_txid,
    txid_key,
    txid_text,
)
from bwm.errors import UsageError
from tests.blocks import GENESIS_TXID
from tests.strategies import outpoints


def test_a_txid_key_is_the_txid_backwards():
    assert txid_key("00" * 31 + "ff") == b"\xff" + bytes(31)


def test_an_outpoint_key_ends_with_the_index_in_little_endian():
    assert outpoint_key(GENESIS_TXID, 258) == txid_key(GENESIS_TXID) + b"\x02\x01\x00\x00"


@given(outpoints)
def test_outpoints_survive_being_written_and_read(key: bytes):
    assert parse_outpoint(outpoint_text(key)) == key
    assert parse_outpoint(outpoint_text(key).upper()) == key


@given(st.binary(min_size=32, max_size=32))
def test_txids_survive_being_written_and_read(key: bytes):
    assert txid_key(parse_txid(txid_text(key))) == key


def test_upper_case_is_taken():
    assert parse_txid(GENESIS_TXID.upper()) == GENESIS_TXID


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0"),
        (GENESIS_TXID[:-1], "has 63"),
        (GENESIS_TXID + "0", "has 65"),
        ("0x" + GENESIS_TXID, "0x"),
        (" " + GENESIS_TXID, "spaces"),
        (GENESIS_TXID + "\n", "line breaks"),
        ("g" + GENESIS_TXID[1:], "digits"),
        ("４" + GENESIS_TXID[1:], "digits"),  # a full-width 4, which int() would take
        (GENESIS_TXID + ":0", "digits"),
    ],
)
def test_a_wrong_txid_is_told_what_is_wrong(text: str, words: str):
    with pytest.raises(UsageError, match=words):
        parse_txid(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GENESIS_TXID, "colon is missing"),
        (GENESIS_TXID + ":", "VOUT is a number"),
        (GENESIS_TXID + ":-1", "VOUT is a number"),
        (GENESIS_TXID + ":+1", "VOUT is a number"),
        (GENESIS_TXID + ":1.0", "VOUT is a number"),
        (GENESIS_TXID + ":4294967296", "VOUT is a number"),
        (GENESIS_TXID + ":" + "1" * 5000, "VOUT is a number"),
        (GENESIS_TXID + ":²", "VOUT is a number"),
        (GENESIS_TXID + ":0:0", "VOUT is a number"),
        (GENESIS_TXID[1:] + ":0", "has 63"),
    ],
)
def test_a_wrong_outpoint_is_told_what_is_wrong(text: str, words: str):
    with pytest.raises(UsageError, match=words):
        parse_outpoint(text)


def test_the_highest_index_is_the_one_that_four_bytes_hold():
    assert parse_outpoint(f"{GENESIS_TXID}:4294967295")[32:] == b"\xff" * 4


@given(st.text())
def test_any_text_is_read_or_refused_as_wrong_usage(text: str):
    for parse in parse_txid, parse_outpoint:
        with suppress(UsageError):
            parse(text)
