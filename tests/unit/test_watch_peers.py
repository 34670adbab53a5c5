"""A second node that falls silent is told of, and holds nothing for ever by what it said last."""

import pytest

from bwm.chain.block import BlockRef
from bwm.daemon.watch_peers import PeerWatch
from bwm.errors import NodeDown
from bwm.health import CONDITIONS, condition_of

HOUR_OF_LOOKS = 120


class Node:
    """At a height of a chain of its own; or away."""

    def __init__(self, height: int, chain: str) -> None:
        self.height, self.chain, self.is_away = height, chain, False

    def tip(self) -> BlockRef:
        if self.is_away:
            raise NodeDown("refused")
        return BlockRef(self.height, self.block_hash(self.height))

    def block_hash(self, height: int) -> str:
        if self.is_away:
            raise NodeDown("refused")
        return f"{self.chain}{height}"


@pytest.fixture
def ours():
    return Node(100, "a")


@pytest.fixture
def attic():
    return Node(100, "b")


@pytest.fixture
def troubles():
    return {}


@pytest.fixture
def watch(ours, attic, troubles):
    return PeerWatch(
        ours,
        {"attic": attic},
        lambda name, words: troubles.pop(name, None) if words is None else troubles.update({name: words}),
    )


def test_a_node_that_disagreed_and_fell_silent_holds_nothing_after_an_hour_and_is_told_of(watch, attic, troubles):
    watch._compare_all()
    assert set(troubles) == {"peers/attic"}
    attic.is_away = True
    for _ in range(HOUR_OF_LOOKS - 1):
        watch._compare_all()
    assert set(troubles) == {"peers/attic", "silent/attic"}, "an hour is not over"
    watch._compare_all()
    assert set(troubles) == {"silent/attic"}
    assert not condition_of("silent/attic").blinds

    attic.is_away = False
    watch._compare_all()
    assert set(troubles) == {"peers/attic"}


def test_no_other_node_is_called_silent_because_ours_is(watch, ours, troubles):
    watch._compare_all()
    ours.is_away = True
    for _ in range(2 * HOUR_OF_LOOKS):
        watch._compare_all()
    assert set(troubles) == {"peers/attic"}


def test_a_node_that_restarts_is_not_worth_a_word():
    assert CONDITIONS["silent"].patience_s >= 3600
