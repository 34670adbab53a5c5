"""A transaction as a PSBT without signatures (BIP 174, version 0)."""

import struct

from bwm.chain.tx import Tx


def unsigned_psbt(tx: Tx) -> bytes:
    """The transaction with every signature left out, and nothing known of its coins."""
    inputs = [item.spends + b"\x00" + struct.pack("<I", item.sequence) for item in tx.inputs]
    outputs = [struct.pack("<q", out.sats) + _compact(len(out.script)) + out.script for out in tx.outputs]
    bare = b"".join(
        (
            struct.pack("<I", tx.version),
            _compact(len(inputs)),
            *inputs,
            _compact(len(outputs)),
            *outputs,
            struct.pack("<I", tx.locktime),
        )
    )
    return b"psbt\xff\x01\x00" + _compact(len(bare)) + bare + b"\x00" * (1 + len(inputs) + len(outputs))


def _compact(number: int) -> bytes:
    """A length as bitcoin writes it."""
    if number < 0xFD:
        return struct.pack("<B", number)
    return b"\xfd" + struct.pack("<H", number) if number <= 0xFFFF else b"\xfe" + struct.pack("<I", number)
