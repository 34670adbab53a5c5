"""Nearly right bytes: true ones with small harms, and what was read in spite of them harmed again."""

import random
from collections.abc import Callable, Sequence

from bwm.errors import Damaged

_CORPUS = 400  # inputs that are harmed further
_KEPT = 2000  # of those that were read
_EDGES = (b"\x00", b"\x01", b"\xfc", b"\xfd", b"\xfe", b"\xff", b"\xfd\x00\x00", b"\xfe\xff\xff\xff\xff", b"\xff" * 9)


def _mutated(data: bytes, corpus: Sequence[bytes], dice: random.Random) -> bytes:
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
                edge = dice.choice(_EDGES)
                data = data[:place] + edge + data[place + len(edge) :]
            case 5:
                other = dice.choice(corpus)
                data = data[:place] + other[dice.randrange(len(other) + 1) :]
    return data


def fuzz(seeds: Sequence[bytes], parse: Callable[[bytes], object], count: int, dice: random.Random) -> list[bytes]:
    """Feed mutations; what was read without complaint. Raises whatever the parser raises beside Damaged."""
    corpus, read = list(seeds), []
    for _ in range(count):
        data = _mutated(dice.choice(corpus), corpus, dice)
        try:
            parse(data)
        except Damaged:
            continue
        read.append(data)
        if len(corpus) < _CORPUS:
            corpus.append(data)
        else:
            corpus[dice.randrange(len(seeds), _CORPUS)] = data
        del read[:-_KEPT]
    return read
