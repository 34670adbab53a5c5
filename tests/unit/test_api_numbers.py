"""Numbers as a token sees them: they can be taken back, and tell nothing of what lies between them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.api.problems import Problem
from bwm.api.v1.numbers import Numbers

KEYS = st.binary(min_size=32, max_size=32)
NUMBERS = st.integers(1, 2**52 - 1)
LATEST = 2**52


@given(KEYS, NUMBERS)
def test_a_number_comes_back_as_what_it_was(key, number):
    numbers = Numbers(key)
    assert 0 < numbers.shown(number) < 2**53
    assert numbers.true(numbers.shown(number), LATEST) == number


def test_each_number_is_another_and_their_order_is_lost():
    numbers = Numbers(b"k" * 32)
    shown = [numbers.shown(number) for number in range(1, 2001)]
    assert len(set(shown)) == len(shown)
    rising = sum(earlier < later for earlier, later in itertools.pairwise(shown))
    assert 900 < rising < 1100
    assert min(shown) > 2**52 / 100_000, "small numbers are not shown as small ones"


@given(NUMBERS)
def test_two_tokens_cannot_compare_theirs(number):
    assert Numbers(b"a" * 32).shown(number) != Numbers(b"b" * 32).shown(number)


def test_what_was_never_shown_is_refused_and_nothing_is_before_everything():
    numbers = Numbers(b"k" * 32)
    assert numbers.true(0, latest=10) == 0
    for shown in (1, 2, 10, 2**52, 2**53 - 1, numbers.shown(11)):
        with pytest.raises(Problem, match="given"):
            numbers.true(shown, latest=10)


def test_who_sees_everything_is_shown_the_true_ones():
    assert Numbers(None).shown(7) == 7
    assert Numbers(None).true(7, latest=3) == 7
