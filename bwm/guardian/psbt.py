"""The canonical signal transaction, unsigned, for the owner's signer (PSBT version 0, BIP 174).

One P2WPKH input of the guardian, the OP_RETURN, the change back to the guardian; final sequence; to be signed with
SIGHASH_ALL, which a signer takes for granted when a PSBT names no other.
"""

import base64
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bwm.chain.script import ScriptType, script_type
from bwm.errors import UsageError
from bwm.guardian.grammar import MAX_NONCE, Payload
from bwm.guardian.signal import FINAL_SEQUENCE

VERSION = 2
DUST_SATS = 546  # what nodes call dust by default for the dearest kind of output; for P2WPKH it is 294
WITNESS_BYTES = 110  # marker, flag, element count, signature of 72 bytes, public key of 33, and their lengths

MAGIC = b"psbt\xff"
GLOBAL_UNSIGNED_TX = 0x00
INPUT_WITNESS_UTXO = 0x01


@dataclass(frozen=True, slots=True)
class Coin:
    """An unspent output of the guardian."""

    outpoint: bytes  # outpoint key
    sats: int
    script: bytes


@dataclass(frozen=True, slots=True)
class UnsignedSignal:
    """A signal to be signed."""

    coin: Coin
    feerate: float  # sat/vB
    fee_sats: int
    psbt: str  # base64


def signal_box(
    payload: Payload, coins: Sequence[Coin], feerates: Sequence[float], last_resort: Collection[bytes] = ()
) -> tuple[UnsignedSignal, ...]:
    """One signal for each feerate, each of another coin, in the order of the feerates.

    The dearest gets the largest coin. ``last_resort``: outpoint keys of coins that are used only if there are not
    enough others. Raises UsageError when there are not enough coins, and what ``unsigned_signal`` raises.
    """
    if len(coins) < len(feerates):
        raise UsageError(
            f"the guardian has {len(coins)} confirmed coins, and {len(feerates)} feerates need as many: pay it more "
            "coins, or ask for fewer feerates"
        )
    preferred = sorted(coins, key=lambda coin: (coin.outpoint in last_resort, -coin.sats, coin.outpoint))
    largest_first = sorted(preferred[: len(feerates)], key=lambda coin: -coin.sats)
    dearest_first = sorted(range(len(feerates)), key=lambda place: -feerates[place])
    coin_at = dict(zip(dearest_first, largest_first, strict=True))
    return tuple(unsigned_signal(payload, coin_at[place], feerate) for place, feerate in enumerate(feerates))


def unsigned_signal(payload: Payload, coin: Coin, feerate: float) -> UnsignedSignal:
    """The signal that spends this coin. ``feerate`` in sat/vB; the fee is rounded up.

    Raises UsageError when the coin is not P2WPKH, would leave dust, or the nonce or feerate makes no sense.
    """
    if script_type(coin.script) != ScriptType.P2WPKH:
        raise UsageError("only a P2WPKH guardian has a canonical signal: build the transaction with its own wallet")
    if not 1 <= payload.nonce <= MAX_NONCE:
        raise UsageError(f"nonce {payload.nonce} never takes effect: use one from 1 to {MAX_NONCE}")
    if not 0 < feerate < math.inf:
        raise UsageError(f"a feerate of {feerate} sat/vB is none: give one above 0")
    fee = math.ceil(feerate * signal_vsize(payload))
    change = coin.sats - fee
    if change < DUST_SATS:
        raise UsageError(
            f"a coin of {coin.sats} sat does not pay the fee of {fee} sat and a change of {DUST_SATS} sat: "
            "use a larger coin or a lower feerate"
        )
    psbt = (
        MAGIC
        + _entry(GLOBAL_UNSIGNED_TX, _unsigned_tx(payload, coin, change))
        + b"\x00"
        + _entry(INPUT_WITNESS_UTXO, _output(coin.sats, coin.script))
        + b"\x00"
        + b"\x00\x00"  # nothing to say of either output
    )
    return UnsignedSignal(coin, feerate, fee, base64.b64encode(psbt).decode())


def signal_vsize(payload: Payload) -> int:
    """Virtual size in vB of the signed transaction, at most one more than it will have (BIP 141)."""
    coin = Coin(bytes(36), 0, b"\x00\x14" + bytes(20))
    return math.ceil((4 * len(_unsigned_tx(payload, coin, 0)) + WITNESS_BYTES) / 4)


def _unsigned_tx(payload: Payload, coin: Coin, change_sats: int) -> bytes:
    return (
        VERSION.to_bytes(4, "little")
        + b"\x01"
        + coin.outpoint
        + b"\x00"  # an empty scriptSig
        + FINAL_SEQUENCE.to_bytes(4, "little")
        + b"\x02"
        + _output(0, payload.to_script())
        + _output(change_sats, coin.script)
        + bytes(4)  # locktime
    )


def _output(sats: int, script: bytes) -> bytes:
    return sats.to_bytes(8, "little") + _sized(script)


def _entry(key_type: int, value: bytes) -> bytes:
    return b"\x01" + bytes((key_type,)) + _sized(value)


def _sized(data: bytes) -> bytes:
    """The data after its length in one byte: nothing here reaches 253 bytes."""
    return bytes((len(data),)) + data
