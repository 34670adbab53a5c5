"""Transactions written by hand, from coins that need no signature: quick to make, however large."""

import secrets
import struct
from collections.abc import Sequence

from regtest.node import OPT_IN_RBF, RegtestNode

ANYONE = b"\x51"  # OP_TRUE, as a witness script (BIP 141)

P2A = "bcrt1pfeesnyr2tx"  # the address of OP_1 <4e73> (BIP 433)

Output = tuple[int, bytes]  # sat, scriptPubKey


def anyones_address(node: RegtestNode) -> str:
    """The p2wsh address of ANYONE."""
    return node.rpc("decodescript", ANYONE.hex())["segwit"]["address"]


def script_of(node: RegtestNode, address: str) -> bytes:
    return bytes.fromhex(node.rpc("validateaddress", address)["scriptPubKey"])


def spend_freely(coin: str, outputs: Sequence[Output], witness: Sequence[bytes] = (ANYONE,)) -> str:
    """The transaction (hex) that spends one coin by a witness alone."""
    txid, vout = coin.split(":")
    spent = bytes.fromhex(txid)[::-1] + struct.pack("<IBI", int(vout), 0, OPT_IN_RBF)
    paid = b"".join(struct.pack("<qB", sats, len(script)) + script for sats, script in outputs)
    shown = b"".join(struct.pack("B", len(item)) + item for item in witness)
    mark = b"\x00\x01" if witness else b""
    count = bytes([len(outputs)]) if len(outputs) < 0xFD else struct.pack("<BH", 0xFD, len(outputs))
    head = b"\x02\0\0\0" + mark + b"\x01" + spent + count
    tail = struct.pack("B", len(witness)) + shown if witness else b""
    return (head + paid + tail + b"\0\0\0\0").hex()


def wide(coin: str, sats: int, outputs: int = 2500) -> str:
    """A spend with many outputs of ``sats``, each 31 vbytes, to keys that nobody has; the rest is its fee."""
    return spend_freely(coin, [(sats, b"\x00\x14" + secrets.token_bytes(20)) for _ in range(outputs)])
