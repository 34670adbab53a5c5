"""Transactions and blocks written out as bytes, for tests that need some of a certain shape."""

from collections.abc import Iterable, Sequence

from bwm.chain.outpoint import txid_key
from bwm.chain.tx import Input, Output

GENESIS = bytes.fromhex(
    "01000000"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
    "29ab5f49ffff001d1dac2b7c01"
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff"
    "4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66"
    "207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a6"
    "7130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac"
    "00000000"
)
GENESIS_TXID = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"


def compact_size(number: int) -> bytes:
    """The number in as few bytes as the protocol allows."""
    if number < 253:
        return bytes([number])
    for prefix, size in (0xFD, 2), (0xFE, 4):
        if number < 1 << 8 * size:
            return bytes([prefix]) + number.to_bytes(size, "little")
    return b"\xff" + number.to_bytes(8, "little")


def sized(data: bytes) -> bytes:
    """The data behind its length."""
    return compact_size(len(data)) + data


def counted(items: Sequence[bytes]) -> bytes:
    """The items behind their number."""
    return compact_size(len(items)) + b"".join(items)


def transaction(inputs: Sequence[Input], outputs: Iterable[Output], *, version: int = 2, locktime: int = 0) -> bytes:
    """A serialised transaction, with witnesses if an input has one."""
    spends = counted([i.spends + sized(i.script_sig) + i.sequence.to_bytes(4, "little") for i in inputs])
    pays = counted([o.sats.to_bytes(8, "little", signed=True) + sized(o.script) for o in outputs])
    marker = witness = b""
    if any(i.witness for i in inputs):
        marker = b"\x00\x01"
        witness = b"".join(counted([sized(item) for item in i.witness]) for i in inputs)
    return version.to_bytes(4, "little") + marker + spends + pays + witness + locktime.to_bytes(4, "little")


def block(transactions: Sequence[bytes], *, previous: str = "00" * 32, time: int = 0) -> bytes:
    """A serialised block; neither its merkle root nor its work is right."""
    header = bytes(4) + txid_key(previous) + bytes(32) + time.to_bytes(4, "little") + bytes(8)
    return header + counted(transactions)
