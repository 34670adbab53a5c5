"""The chain room reads bytes and addresses as the node does."""

import random

import pytest

from bwm.chain.address import address_of_script, script_of_address
from bwm.chain.block import header_of, keys_of_block, transaction_bytes
from bwm.chain.network import network
from bwm.chain.outpoint import parse_outpoint
from bwm.chain.script import ScriptType, script_type
from bwm.chain.sieve import txid_keys
from bwm.chain.tx import parse_tx
from bwm.errors import BadAddress

REGTEST = network("regtest")
KEY = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")

SCRIPTS = {
    "p2pk": b"\x21" + KEY + b"\xac",
    "p2pkh": b"\x76\xa9\x14" + KEY[:20] + b"\x88\xac",
    "p2sh": b"\xa9\x14" + KEY[:20] + b"\x87",
    "p2wpkh": b"\x00\x14" + KEY[:20],
    "p2wsh": b"\x00\x20" + KEY[:32],
    "witness of version 0 with a length of no use": b"\x00\x15" + KEY[:21],
    "p2tr": b"\x51\x20" + KEY[1:],
    "p2a": b"\x51\x02\x4e\x73",
    "taproot's version with another length": b"\x51\x15" + KEY[:21],
    "version 16": b"\x60\x28" + bytes(40),
    "no version": b"\x61\x20" + KEY[1:],
    "data": b"\x6a\x04data",
    "data cut off": b"\x6a\x4c",
    "bare multisig": b"\x51\x21" + KEY + b"\x51\xae",
    "OP_TRUE": b"\x51",
}
NODE_TYPES = {
    "pubkey": ScriptType.P2PK,
    "pubkeyhash": ScriptType.P2PKH,
    "scripthash": ScriptType.P2SH,
    "witness_v0_keyhash": ScriptType.P2WPKH,
    "witness_v0_scripthash": ScriptType.P2WSH,
    "witness_v1_taproot": ScriptType.P2TR,
    "anchor": ScriptType.P2A,
    "witness_unknown": ScriptType.WITNESS_UNKNOWN,
    "nulldata": ScriptType.OP_RETURN,
    "multisig": ScriptType.NONSTANDARD,
    "nonstandard": ScriptType.NONSTANDARD,
}


def test_scripts_have_the_type_and_the_address_that_the_node_gives_them(node):
    for name, script in SCRIPTS.items():
        said = node.rpc("decodescript", script.hex())
        assert address_of_script(script, REGTEST) == said.get("address"), name
        if name != "data cut off":  # nothing can spend it: bwm says so, the node says nonstandard
            assert script_type(script) is NODE_TYPES[said["type"]], name


def test_addresses_are_taken_or_refused_as_by_the_node(node):
    chance = random.Random(1)
    for script in SCRIPTS.values():
        address = address_of_script(script, REGTEST)
        for wrong in _spoilt(address, chance) if address else []:
            valid = node.rpc("validateaddress", wrong)["isvalid"]
            if valid:
                assert script_of_address(wrong, REGTEST).hex() == node.rpc("validateaddress", wrong)["scriptPubKey"]
            else:
                with pytest.raises(BadAddress):
                    script_of_address(wrong, REGTEST)


def _spoilt(address: str, chance: random.Random) -> list[str]:
    """The address, and ways to spoil it; some of them do not."""
    place = chance.randrange(len(address))
    others = [network(name) for name in ("main", "test")]
    abroad = [address_of_script(script_of_address(address, REGTEST), other) for other in others]
    return [
        address,
        address.upper(),
        address.swapcase(),
        address.capitalize(),
        address[:-1],
        address + "q",
        address[:place] + chance.choice("acdefhjk") + address[place + 1 :],
        address[:place] + address[place + 1 :],
        *(one for one in abroad if one),
    ]


def test_a_block_is_read_as_the_node_reads_it(node):
    for kind in "legacy", "p2sh-segwit", "bech32", "bech32m":
        coin = node.pay(node.new_address(kind), 1_000_000)
        node.spend(coin, node.new_address())
    block_hash = node.mine()[0]
    raw, said = bytes.fromhex(node.rpc("getblock", block_hash, 0)), node.rpc("getblock", block_hash, 2)

    header, sieved = header_of(raw), keys_of_block(raw)
    assert (header.hash, header.previous, header.time) == (block_hash, said["previousblockhash"], said["time"])
    assert [key[::-1].hex() for key in txid_keys(raw, sieved)] == [tx["txid"] for tx in said["tx"]]
    assert sieved.keys == [key for tx in said["tx"] for key in _keys(tx)]
    for number, theirs in enumerate(said["tx"]):
        ours = parse_tx(transaction_bytes(raw, sieved, number))
        assert (ours.txid, ours.version) == (theirs["txid"], theirs["version"])
        assert [output.sats for output in ours.outputs] == [round(one["value"] * 100_000_000) for one in theirs["vout"]]
        assert ours.is_coinbase == (number == 0)


def _keys(tx: dict) -> list[bytes]:
    spends = [parse_outpoint(f"{one['txid']}:{one['vout']}") if "txid" in one else _NOTHING for one in tx["vin"]]
    return spends + [bytes.fromhex(one["scriptPubKey"]["hex"]) for one in tx["vout"]]


_NOTHING = bytes(32) + b"\xff" * 4  # what a coinbase spends
