"""The filter: never a miss, exact while it is small, few bytes when it is large."""

import os
import subprocess
import sys
from itertools import count, islice

from hypothesis import given, settings
from hypothesis import strategies as st

from bwm.watch.index import KeyFilter

LARGE = 250_000
"""Keys, beyond those that are kept as they are."""

keys = st.sets(st.binary(max_size=40))


def _many(start: int, number: int) -> list[bytes]:
    """Keys that look like outpoints."""
    return [n.to_bytes(36, "little") for n in islice(count(start), number)]


@given(keys, keys)
def test_a_small_filter_is_exact(watched: set[bytes], others: set[bytes]):
    index = KeyFilter(watched)
    assert index.candidates(watched | others) == sorted(watched)
    assert len(index) == len(watched)


@settings(max_examples=30)
@given(keys, keys, keys)
def test_a_large_filter_misses_nothing(first: set[bytes], second: set[bytes], others: set[bytes]):
    index = KeyFilter(first, expected=1_000_000)
    index.add(second)
    assert set(index.candidates(first | second | others)) >= first | second


def test_a_filter_that_outgrows_exact_keys_misses_none_of_them():
    watched = _many(0, LARGE)
    index = KeyFilter(watched[:1000])
    index.add(iter(watched[1000:]))
    assert len(index.candidates(watched)) == LARGE
    assert LARGE * 0.99 < len(index) <= LARGE


def test_a_filter_that_outgrows_its_bits_misses_nothing():
    index = KeyFilter(n.to_bytes(36, "little") for n in range(2_200_000))
    early, late, foreign = (_many(start, 10_000) for start in (0, 2_190_000, 5_000_000))
    assert index.candidates(early) == sorted(early)
    assert index.candidates(late) == sorted(late)
    assert len(index.candidates(foreign)) < 500


def test_false_alarms_are_rare():
    index = KeyFilter(_many(0, 1_000_000), expected=1_000_000)
    assert len(index.candidates(_many(5_000_000, 100_000))) < 1_500


def test_keys_added_again_take_no_room():
    watched = _many(0, LARGE)
    index = KeyFilter(watched)
    before = len(index)
    index.add(watched)
    assert len(index) == before


def test_a_key_asked_for_twice_is_answered_once():
    assert KeyFilter([b"a"]).candidates([b"a", b"b", b"a"]) == [b"a"]
    assert KeyFilter([b"a"], expected=1_000_000).candidates(iter([b"a", b"a"])) == [b"a"]


def test_an_empty_filter_asks_for_nothing():
    assert KeyFilter().candidates([b"a"]) == []
    assert KeyFilter(expected=1_000_000).candidates([b"a"]) == []


def test_a_million_keys_take_at_most_eight_bytes_each():
    index = KeyFilter(n.to_bytes(36, "little") for n in range(1_000_000))
    assert sum(sys.getsizeof(part) for part in vars(index).values()) < 8 * len(index)


def test_the_bits_differ_from_process_to_process():
    """Whoever could tell them could make the filter useless with scripts that all give false alarms."""
    program = (
        "from bwm.watch.index import KeyFilter\n"
        "keys = [n.to_bytes(36, 'big') for n in range(400_000)]\n"
        "print(KeyFilter(keys[:300_000]).candidates(keys[300_000:]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    printed = {
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(printed) == 2
