"""Bytes at random, and true ones with faults: the parsers refuse with Damaged, or agree with the node's own decoding.

The inputs are mutations of what a node sent, and of what it accepted after a mutation: nearly right, they go deep.
"""

import random
from collections.abc import Callable

import pytest

from bwm.chain.block import header_of, keys_of_block
from bwm.chain.script import is_unspendable, script_type
from bwm.chain.tx import keys_of_tx, parse_tx, txid_of
from bwm.errors import Damaged
from bwm.guardian.grammar import apparent_intent, looks_like_guardian, parse_payload, parse_script
from bwm.node.frames import read_frame
from regtest.node import RpcError
from tests.faults.conftest import SATS

COUNTS = [4_000, pytest.param(1_000_000, marks=pytest.mark.long)]
CORPUS = 400  # inputs that are mutated further
EDGES = (b"\x00", b"\x01", b"\xfc", b"\xfd", b"\xfe", b"\xff", b"\xfd\x00\x00", b"\xfe\xff\xff\xff\xff", b"\xff" * 9)


def mutated(data: bytes, corpus: list[bytes], dice: random.Random) -> bytes:
    """One to four small harms done to the bytes."""
    for _ in range(dice.randrange(1, 5)):
        place = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0:
                data = data[:place] + bytes([dice.randrange(256)]) + data[place + 1 :]
            case 1:
                data = data[:place]
            case 2:
                data = data[:place] + dice.randbytes(dice.randrange(1, 9)) + data[place:]
            case 3:
                data = data[:place] + data[place + dice.randrange(1, 9) :]
            case 4:
                edge = dice.choice(EDGES)
                data = data[:place] + edge + data[place + len(edge) :]
            case 5:
                other = dice.choice(corpus)
                data = data[:place] + other[dice.randrange(len(other) + 1) :]
    return data


def fuzz(seeds: list[bytes], parse: Callable[[bytes], object], count: int, dice: random.Random) -> list[bytes]:
    """Feed mutations; what was read without complaint. Raises whatever the parser raises beside Damaged."""
    corpus, read = list(seeds), []
    for _ in range(count):
        data = mutated(dice.choice(corpus), corpus, dice)
        try:
            parse(data)
        except Damaged:
            continue
        read.append(data)
        if len(corpus) < CORPUS:
            corpus.append(data)
        else:
            corpus[dice.randrange(len(seeds), CORPUS)] = data
        del read[:-2000]
    return read


@pytest.fixture
def transactions(node) -> list[bytes]:
    """Of every sort that the node's wallet makes, and a coinbase."""
    txids = []
    for kind in ("legacy", "p2sh-segwit", "bech32", "bech32m"):
        coin = node.pay(node.new_address(kind), SATS)
        txids.append(coin.partition(":")[0])
        txids.append(node.spend(coin, node.new_address(wallet="thief"), data=b"guardv1.Lock=1#0"))
    raws = [bytes.fromhex(node.rpc("getrawtransaction", txid)) for txid in txids]
    block = node.rpc("getblock", node.mine()[0], 2)
    return [*raws, bytes.fromhex(block["tx"][0]["hex"])]


@pytest.fixture
def blocks(node, transactions) -> list[bytes]:
    return [bytes.fromhex(node.rpc("getblock", node.block_hash(height), 0)) for height in (0, 1, node.height)]


def read_transaction(raw: bytes) -> None:
    tx = parse_tx(raw)
    assert tx.txid == txid_of(raw)
    keys = keys_of_tx(raw)
    assert [*(item.spends for item in tx.inputs), *(out.script for out in tx.outputs)] == keys


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.timeout(1200)
def test_the_transaction_parser_refuses_or_agrees_with_the_node(node, transactions, dice, note, count):
    read = fuzz(transactions, read_transaction, count, dice)
    assert read
    for raw in [*transactions, *dice.sample(read, min(len(read), 300))]:
        ours = parse_tx(raw)
        theirs = decoded(node, raw)
        assert theirs is not None, raw.hex()
        assert (theirs["txid"], theirs["hash"]) == (ours.txid, ours.wtxid)
        assert theirs["version"] == ours.version
        assert [out["scriptPubKey"]["hex"] for out in theirs["vout"]] == [out.script.hex() for out in ours.outputs]
        assert [int(out["value"] * 100_000_000) for out in theirs["vout"]] == [out.sats for out in ours.outputs]
        assert [item["sequence"] for item in theirs["vin"]] == [item.sequence for item in ours.inputs]
    note("fuzz inputs", count)


def decoded(node, raw):
    try:
        return node.rpc("decoderawtransaction", raw.hex(), raw[4:5] == b"\x00")
    except RpcError:
        return None


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.timeout(1200)
def test_the_block_parser_refuses_or_reads_what_is_there(node, blocks, dice, count):
    def read_block(raw: bytes) -> None:
        header_of(raw)
        keys_of_block(raw)

    fuzz(blocks, read_block, count, dice)
    for raw in blocks:
        theirs = node.rpc("getblock", header_of(raw).hash, 2)
        assert len(keys_of_block(raw).starts) == len(theirs["tx"])
        outputs = [out["scriptPubKey"]["hex"] for tx in theirs["tx"] for out in tx["vout"]]
        assert {bytes.fromhex(out) for out in outputs} <= set(keys_of_block(raw).keys)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.timeout(1200)
def test_scripts_at_random_have_a_type_that_the_node_agrees_with(node, transactions, dice, count):
    scripts = [out.script for raw in transactions for out in parse_tx(raw).outputs]

    def read_script(script: bytes) -> None:
        script_type(script)
        is_unspendable(script)
        parse_script(script)
        looks_like_guardian(script)
        apparent_intent(script)

    read = fuzz(scripts, read_script, count, dice)
    names = {"witness_v0_keyhash", "witness_v0_scripthash", "witness_v1_taproot", "pubkeyhash", "scripthash"}
    for script in [*scripts, *dice.sample(read, min(len(read), 200))]:
        if len(script) > 10_000:
            continue
        theirs = node.rpc("decodescript", script.hex())["type"]
        if theirs in names:
            assert script_type(script).value != "nonstandard", (theirs, script.hex())


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.timeout(1200)
def test_payloads_at_random_are_rejected_or_read(dice, count):
    fuzz([b"guardv1.Lock=1#0", b"guardv1.Lock=0#4294967295"], parse_payload, count, dice)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.timeout(1200)
def test_feed_messages_at_random_are_refused_or_read(transactions, dice, count):
    bodies = [*transactions, b"\x11" * 32, b"\x11" * 32 + b"A" + b"\x01" * 8, b"\x11" * 32 + b"D"]
    topics = [b"rawtx", b"hashblock", b"sequence", b"rawblock", b"raw\xff"]

    def read(body: bytes) -> None:
        parts = [dice.choice(topics), body, dice.randbytes(dice.choice([4, 4, 4, 3, 0]))]
        read_frame(parts[: dice.choice([3, 3, 3, 3, 2, 1, 0])])

    fuzz(bodies, read, count, dice)
