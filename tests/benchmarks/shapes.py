"""Blocks with the shape of real ones, for whoever has no real ones at hand. The same ones every time."""

import random

from bwm.chain.tx import Input, Output
from tests.blocks import block, transaction

_TEXTS = 40  # different OP_RETURN scripts, each of them many times


def busy(share: float = 1.0) -> bytes:
    """Today's worst common shape: 4,864 small transactions, most with an OP_RETURN, half of the bytes witness."""
    chance = random.Random(866342)
    count = round(4_864 * share)
    return block([_busy_transaction(chance, n / count) for n in range(count)])


def lean() -> bytes:
    """Few transactions that gather very many coins, none with a witness: 420 of them, 20,818 inputs."""
    chance = random.Random(420)
    sizes = [20_818 // 420 + (n < 20_818 % 420) for n in range(420)]
    return block(
        [
            transaction(
                [Input(_coin(chance), chance.randbytes(107), 0xFFFFFFFF, ()) for _ in range(size)],
                [Output(100_000, b"\x76\xa9\x14" + chance.randbytes(20) + b"\x88\xac") for _ in range(2)],
            )
            for size in sizes
        ]
    )


def _busy_transaction(chance: random.Random, place: float) -> bytes:
    """``place``: how far down the block it stands, from 0 to 1; the shares are those of block 866342."""
    inputs = [_signed_input(chance) for _ in range(2 if place < 0.639 else 1)]
    outputs = [_payment(chance) for _ in range(2 if place < 0.123 else 1)]
    other = b"\x6a\x20" + bytes([chance.randrange(_TEXTS)]) * 32 if chance.random() < 0.816 else _script(chance)
    return transaction(inputs, [*outputs, Output(0, other)])


def _signed_input(chance: random.Random) -> Input:
    by_key = chance.random() < 0.25  # taproot: one signature and nothing else
    witness = (chance.randbytes(64),) if by_key else (chance.randbytes(72), chance.randbytes(33))
    return Input(_coin(chance), b"", 0xFFFFFFFD, witness)


def _payment(chance: random.Random) -> Output:
    return Output(chance.randrange(10**8), _script(chance))


def _script(chance: random.Random) -> bytes:
    return b"\x51\x20" + chance.randbytes(32) if chance.random() < 0.434 else b"\x00\x14" + chance.randbytes(20)


def _coin(chance: random.Random) -> bytes:
    return chance.randbytes(32) + chance.randrange(4).to_bytes(4, "little")
