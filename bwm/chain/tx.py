"""A transaction as bwm sees it, and the ways from its bytes.

The only module that uses python-bitcoinlib, whose traps end here: its version is signed, it takes numbers
that are longer than need be, and it raises a dozen kinds of errors.
"""

from dataclasses import dataclass

from bitcoin.core import CTransaction, CTxIn, CTxInWitness

from bwm.chain.outpoint import txid_text
from bwm.chain.sieve import sieve, txid_keys
from bwm.errors import Damaged

_MAX_SIZE = 4_000_000  # bytes: a larger one fits into no block (BIP 141: 4 million weight units)


@dataclass(frozen=True, slots=True)
class Input:
    """One input: the coin it spends, and what it shows to be allowed to."""

    spends: bytes  # 36 bytes as serialised: txid little-endian, index little-endian (chain/outpoint.py)
    script_sig: bytes
    sequence: int
    witness: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """One output: its amount in sat and its scriptPubKey."""

    sats: int
    script: bytes


@dataclass(frozen=True, slots=True)
class Tx:
    """A whole transaction; made only for the few that may concern us."""

    txid: str  # as people read it
    version: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    locktime: int
    raw: bytes

    @property
    def is_coinbase(self) -> bool:
        """True for the first transaction of a block, whose only input spends nothing."""
        return len(self.inputs) == 1 and self.inputs[0].spends[:32] == bytes(32)


def keys_of_tx(raw: bytes) -> list[bytes]:
    """Every outpoint that the transaction spends and every script it pays to, in order. Makes no objects.

    Raises Damaged if the bytes do not have the shape of one transaction.
    """
    return sieve(raw, 0, 1).keys


def txid_of(raw: bytes) -> str:
    """The txid of a serialised transaction, as people read it. Raises Damaged like keys_of_tx."""
    return txid_text(txid_and_keys(raw)[0])


def txid_and_keys(raw: bytes) -> tuple[bytes, list[bytes]]:
    """The txid as serialised, and what keys_of_tx gives, in one pass. Raises Damaged like it."""
    sieved = sieve(raw, 0, 1)
    return txid_keys(raw, sieved)[0], sieved.keys


def parse_tx(raw: bytes) -> Tx:
    """The transaction that these bytes are (BIP 144), all of them.

    Raises Damaged for anything that a node would not read as a transaction with an input.
    """
    if len(raw) > _MAX_SIZE:
        raise Damaged(f"a transaction has at most {_MAX_SIZE} bytes, these are {len(raw)}")
    txid = txid_of(raw)  # raises Damaged for what does not have the shape, so that the parser cannot fail
    parsed = CTransaction.deserialize(raw)
    if not parsed.vin or parsed.serialize() != raw:
        raise Damaged("a transaction has no inputs, or is not written in its one proper form")
    witnesses = parsed.wit.vtxinwit or [CTxInWitness()] * len(parsed.vin)
    return Tx(
        txid=txid,
        version=parsed.nVersion & 0xFFFFFFFF,  # unsigned, as the node prints it since Bitcoin Core 28
        inputs=tuple(_input(one, witness) for one, witness in zip(parsed.vin, witnesses, strict=True)),
        outputs=tuple(Output(one.nValue, bytes(one.scriptPubKey)) for one in parsed.vout),
        locktime=parsed.nLockTime,
        raw=raw,
    )


def _input(parsed: CTxIn, witness: CTxInWitness) -> Input:
    return Input(
        spends=parsed.prevout.serialize(),
        script_sig=bytes(parsed.scriptSig),
        sequence=parsed.nSequence,
        witness=tuple(witness.scriptWitness.stack),
    )
