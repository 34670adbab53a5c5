"""Bytes at random, and true ones with faults: the parsers refuse with Damaged, or agree with the node's own decoding.

The inputs are mutations of what a node sent, and of what was read after a mutation: nearly right, they go deep. In the
long campaign libFuzzer makes a million for each parser, led by the ways that they take through the code.
"""

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bwm.chain.block import header_of, keys_of_block
from bwm.chain.script import script_type
from bwm.chain.tx import parse_tx
from bwm.errors import Damaged
from regtest.node import RegtestNode, RpcError
from tests.fuzz.mutate import fuzz
from tests.fuzz.parsers import PARSERS, TOPICS

ROOT = Path(__file__).resolve().parents[2]
SATS = 5_000_000
FEW, MANY = 4_000, 1_000_000
LONGEST = 4096  # bytes of an input

Search = Callable[[str, Sequence[bytes]], list[bytes]]

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def dice() -> random.Random:
    return random.Random(1)


@pytest.fixture(params=["mutations", pytest.param("coverage", marks=pytest.mark.long)])
def search(request: pytest.FixtureRequest, dice: random.Random, tmp_path: Path) -> Search:
    """``search(parser, seeds)``: what the parser read without complaint, of a great many inputs."""

    def by_coverage(name: str, seeds: Sequence[bytes]) -> list[bytes]:
        for number, seed in enumerate(seeds):
            (tmp_path / f"seed-{number}").write_bytes(seed)
        options = (f"-runs={MANY}", "-seed=1", f"-max_len={LONGEST}", "-timeout=10", f"-artifact_prefix={tmp_path}/")
        command = [sys.executable, "-m", "tests.fuzz", name, str(tmp_path), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Done {MANY} runs" in done.stderr
        return [data for file in sorted(tmp_path.iterdir()) if is_read(name, data := file.read_bytes())]

    if request.param == "coverage":
        return by_coverage
    return lambda name, seeds: fuzz(seeds, PARSERS[name], FEW, dice)


def is_read(name: str, data: bytes) -> bool:
    try:
        PARSERS[name](data)
    except Damaged:
        return False
    return True


@pytest.fixture
def transactions(node: RegtestNode) -> list[bytes]:
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


def test_the_transaction_parser_refuses_or_agrees_with_the_node(node, transactions, dice, search):
    read = search("transaction", transactions)
    assert read
    for raw in [*transactions, *dice.sample(read, min(len(read), 300))]:
        ours = parse_tx(raw)
        theirs = decoded(node, raw)
        assert theirs is not None, raw.hex()
        assert theirs["txid"] == ours.txid
        assert theirs["version"] == ours.version
        assert [out["scriptPubKey"]["hex"] for out in theirs["vout"]] == [out.script.hex() for out in ours.outputs]
        assert [int(out["value"] * 100_000_000) for out in theirs["vout"]] == [out.sats for out in ours.outputs]
        assert [item["sequence"] for item in theirs["vin"]] == [item.sequence for item in ours.inputs]


def decoded(node, raw):
    try:
        return node.rpc("decoderawtransaction", raw.hex(), raw[4:5] == b"\x00")
    except RpcError:
        return None


def test_the_block_parser_refuses_or_reads_what_is_there(node, blocks, search):
    search("block", blocks)
    for raw in blocks:
        theirs = node.rpc("getblock", header_of(raw).hash, 2)
        assert len(keys_of_block(raw).starts) == len(theirs["tx"])
        outputs = [out["scriptPubKey"]["hex"] for tx in theirs["tx"] for out in tx["vout"]]
        assert {bytes.fromhex(out) for out in outputs} <= set(keys_of_block(raw).keys)


def test_scripts_at_random_have_a_type_that_the_node_agrees_with(node, transactions, dice, search):
    scripts = [out.script for raw in transactions for out in parse_tx(raw).outputs]
    read = search("script", scripts)
    names = {"witness_v0_keyhash", "witness_v0_scripthash", "witness_v1_taproot", "pubkeyhash", "scripthash"}
    for script in [*scripts, *dice.sample(read, min(len(read), 200))]:
        if len(script) > 10_000:
            continue
        theirs = node.rpc("decodescript", script.hex())["type"]
        if theirs in names:
            assert script_type(script).value != "nonstandard", (theirs, script.hex())


def test_payloads_at_random_are_rejected_or_read(search):
    assert search("payload", [b"guardv1.Lock=1#0", b"guardv1.Lock=0#4294967295"])


def test_feed_messages_at_random_are_refused_or_read(transactions, search):
    bodies = [*transactions, b"\x11" * 32, b"\x11" * 32 + b"A" + b"\x01" * 8, b"\x11" * 32 + b"D"]
    assert search("feed", [bytes([topic]) + body for topic in range(len(TOPICS)) for body in bodies])
