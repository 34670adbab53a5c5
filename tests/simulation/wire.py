"""Transactions and blocks written out by hand, by another road than bwm reads them.

Hashes and txids are in display order, outpoints the 36 bytes that an input carries.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

SIGNATURE = b"\x30" + bytes(69) + b"\x01"  # the shape of a DER signature that commits to everything (SIGHASH_ALL)
PUBLIC_KEY = b"\x02" + bytes(32)


@dataclass(frozen=True, slots=True)
class Pay:
    """One output."""

    sats: int
    script: bytes


@dataclass(frozen=True, slots=True, eq=False)
class SimTx:
    """One transaction, with what its serialisation says."""

    txid: str
    raw: bytes
    spends: tuple[bytes, ...]
    pays: tuple[Pay, ...]
    is_coinbase: bool
    vsize: int = 0  # vbytes, rounded up
    locked_until: int = 0  # the height of the last block that may not hold it

    def coin(self, vout: int) -> bytes:
        """The outpoint of one of its outputs."""
        return outpoint(self.txid, vout)

    @property
    def coins(self) -> list[bytes]:
        """The outpoints of all its outputs."""
        return [self.coin(vout) for vout in range(len(self.pays))]


@dataclass(frozen=True, slots=True, eq=False)
class SimBlock:
    """One block."""

    height: int
    hash: str
    previous: str
    time: int
    txs: tuple[SimTx, ...]
    raw: bytes


def double_sha(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def shown(digest: bytes) -> str:
    """A digest as people read it."""
    return digest[::-1].hex()


def outpoint(txid: str, vout: int) -> bytes:
    """The 36 bytes that spend a coin."""
    return struct.pack("<32sI", bytes.fromhex(txid)[::-1], vout)


def txid_of_coin(coin: bytes) -> str:
    """The transaction that made a coin."""
    return shown(coin[:32])


def _number(value: int) -> bytes:
    return struct.pack("<B", value) if value < 0xFD else struct.pack("<BH", 0xFD, value)


def _sized(data: bytes) -> bytes:
    return _number(len(data)) + data


def transaction(
    spends: Sequence[bytes],
    pays: Sequence[Pay],
    *,
    witness: bool = True,
    locktime: int = 0,
    replaceable: bool = False,
) -> SimTx:
    """A transaction that spends coins, signed in shape only. Only one that is ``replaceable`` heeds its locktime."""
    sequence = b"\xfd\xff\xff\xff" if replaceable else b"\xff\xff\xff\xff"
    inputs = b"".join(coin + b"\x00" + sequence for coin in spends)
    proof = (b"\x02" + _sized(SIGNATURE) + _sized(PUBLIC_KEY)) * len(spends)
    tx = _put_together(tuple(spends), inputs, tuple(pays), proof if witness else b"", locktime)
    return replace(tx, locked_until=locktime) if replaceable else tx


def coinbase(height: int, salt: int, pays: Sequence[Pay]) -> SimTx:
    """The first transaction of a block; ``salt`` makes it another one than its siblings of the same height."""
    script = struct.pack("<IQ", height, salt)
    return _put_together((), bytes(32) + b"\xff" * 4 + _sized(script) + b"\xff" * 4, tuple(pays), b"", 0)


def _put_together(
    spends: tuple[bytes, ...], inputs: bytes, pays: tuple[Pay, ...], proof: bytes, locktime: int
) -> SimTx:
    outputs = b"".join(struct.pack("<q", pay.sats) + _sized(pay.script) for pay in pays)
    body = _number(len(spends) or 1) + inputs + _number(len(pays)) + outputs
    version, end = struct.pack("<i", 2), struct.pack("<I", locktime)
    stem = version + body + end
    raw = version + b"\x00\x01" + body + proof + end if proof else stem
    vsize = -(-(3 * len(stem) + len(raw)) // 4)
    return SimTx(shown(double_sha(stem)), raw, spends, pays, is_coinbase=not spends, vsize=vsize)


def block(height: int, previous: str, time: int, txs: Iterable[SimTx]) -> SimBlock:
    """A block without work; its merkle root is a digest of its transactions' ids, which nobody checks."""
    txs = tuple(txs)
    root = double_sha("".join(tx.txid for tx in txs).encode())
    header = struct.pack("<i32s32sIII", 4, bytes.fromhex(previous)[::-1], root, time & 0xFFFFFFFF, 0, 0)
    raw = header + _number(len(txs)) + b"".join(tx.raw for tx in txs)
    return SimBlock(height, shown(double_sha(header)), previous, time, txs, raw)
