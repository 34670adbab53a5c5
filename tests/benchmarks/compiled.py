"""The compiled sieve beside the plain one."""

import importlib.util
import random
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

from bitcoin.core import CBlock, CTransaction

import bwm.chain
from bwm.chain import sieve as plain
from bwm.chain.block import HEADER_SIZE
from bwm.chain.hashing import sha256d
from bwm.watch.index import KeyFilter
from hatch_build import compiled
from tests.benchmarks.race import race
from tests.benchmarks.report import Row, geometric_mean
from tests.benchmarks.scan import FEW, LIBRARY, random_keys, scan_by_library

ROOT = Path(__file__).parents[2]
_NAME = "bwm.chain.sieve"


def build() -> Path:
    """The folder with the compiled package, made anew."""
    return compiled(ROOT)


def _load(library: Path) -> ModuleType:
    folder = library / "bwm" / "chain"
    bwm.chain.__path__.append(str(folder))  # the compiled module has a second part beside it
    place = next(folder.glob("sieve.*.so"))
    spec = importlib.util.spec_from_file_location(_NAME, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def use(library: Path) -> None:
    """Have this process search with the compiled sieve, as if the wheel with it were installed."""
    module = _load(library)
    sys.modules[_NAME] = module
    for user in list(sys.modules.values()):
        if getattr(user, "__name__", "").startswith("bwm."):
            for name, own in vars(plain).items():
                if getattr(own, "__module__", "") == _NAME and getattr(user, name, None) is own:
                    setattr(user, name, getattr(module, name))


def rows(blocks: dict[str, bytes], library: Path, rounds: int) -> list[Row]:
    """How many times faster than python-bitcoinlib; and what txids take, beside the hashing alone."""
    fast = _load(library)
    index, watched = KeyFilter(random_keys(FEW)), set(random_keys(FEW))
    foreign = fast.wanted(random_keys(FEW))
    speed, hashing, agreed = [], [], 0
    for raw in blocks.values():
        count, position = plain.compact_size(raw, HEADER_SIZE)
        stripped = [
            CTransaction(tx.vin, tx.vout, tx.nLockTime, tx.nVersion).serialize() for tx in CBlock.deserialize(raw).vtx
        ]

        def with_txids(raw: bytes = raw, count: int = count, position: int = position) -> list[bytes]:
            sieved = fast.sieve(raw, position, count, foreign)
            return index.candidates([*sieved.keys, *fast.txid_keys(raw, sieved)])

        slow_keys, keys = plain.sieve(raw, position, count), fast.sieve(raw, position, count)
        few = random.sample(keys.keys, k=9)
        same = [way.sieve(raw, position, count, way.wanted(few)) for way in (plain, fast)]
        agreed += (
            slow_keys == keys and same[0] == same[1] and plain.txid_keys(raw, slow_keys) == fast.txid_keys(raw, keys)
        )
        speeds = race(
            {
                LIBRARY: partial(scan_by_library, raw, watched),
                "compiled": lambda raw=raw, count=count, position=position: sorted(
                    fast.sieve(raw, position, count, foreign, with_places=False).keys
                ),
                "with txids": with_txids,
                "hashing": lambda stripped=stripped: [sha256d(one) for one in stripped],
            },
            rounds,
        )
        speed.append(speeds["compiled"])
        hashing.append((speeds["with txids"], speeds["hashing"]))
    return [
        Row(
            f"times {LIBRARY}, block, 1k items, compiled",
            "geometric mean",
            geometric_mean([each.ratio for each in speed]),
            150,
            median_value=geometric_mean([each.median_ratio for each in speed]),
        ),
        Row(
            "compiled with txids, to hashing alone",
            "geometric mean",
            geometric_mean([hashed.ratio / way.ratio for way, hashed in hashing]),
            1.8,
            at_least=False,
            median_value=geometric_mean([hashed.median_ratio / way.median_ratio for way, hashed in hashing]),
        ),
        Row("same answers, compiled and plain", "blocks", agreed, len(blocks)),
    ]
