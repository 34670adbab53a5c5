"""The scan on a small block, with half of what is expected of it: a busy machine must not fail an honest commit."""

from bwm.watch.index import KeyFilter
from tests.benchmarks import shapes
from tests.benchmarks.race import race
from tests.benchmarks.scan import random_keys, same_answers, scan, scan_by_library, scan_with_txids

BLOCK = shapes.busy(share=0.1)


def test_a_block_is_searched_many_times_faster_than_with_python_bitcoinlib() -> None:
    few, many = KeyFilter(random_keys(1_000)), KeyFilter(random_keys(300_000))
    speeds = race(
        {
            "python-bitcoinlib": lambda: scan_by_library(BLOCK, set()),
            "few": lambda: scan(BLOCK, few),
            "many": lambda: scan(BLOCK, many),
            "txids": lambda: scan_with_txids(BLOCK, few),
        },
        rounds=5,
    )
    assert speeds["few"].ratio > 14
    assert speeds["many"].ratio > 11
    assert speeds["txids"].ratio > 8


def test_the_same_transactions_are_found_as_with_python_bitcoinlib() -> None:
    for count in 1_000, 300_000:
        assert same_answers(BLOCK, KeyFilter(random_keys(count)))
