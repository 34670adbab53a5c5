"""Which step is sent: for a deadline, a value, a budget, and what the node says of fees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.response.ladder import LadderStep, Need, choose, target

LADDER = [LadderStep(place, rate * 1000, rate * 120) for place, rate in enumerate((5, 20, 50, 100, 300))]
RICH = 10**10  # sat: each fee is cheap beside it
POOR = 40_000  # sat: a fee of 40 sat at most is below a thousandth


@pytest.mark.parametrize(
    ("need", "position", "words"),
    [
        (Need(1000, estimate=4_000), 0, "4 sat/vB"),
        (Need(1000, estimate=21_000), 2, "21 sat/vB"),
        (Need(1000, estimate=400_000), 4, "the highest step that the budget allows"),  # a fee spike
        (Need(1000, estimate=None), 4, "cannot estimate"),
        (Need(60_000, estimate=1_000), 3, "takes nothing cheaper"),
        (Need(1000, 1_000, blocks_left=10, blocks_in_all=10), 0, ""),
        (Need(1000, 1_000, blocks_left=7, blocks_in_all=10), 2, "7 blocks are left"),
        (Need(1000, 1_000, blocks_left=4, blocks_in_all=10), 4, "4 blocks are left"),
        (Need(1000, 1_000, blocks_left=2, blocks_in_all=1000), 4, "2 blocks are left"),
        (Need(1000, 1_000, blocks_left=0, blocks_in_all=10), 4, "0 blocks are left"),
        (Need(1000, 1_000, value_sats=RICH), 4, "at risk"),
        (Need(1000, 1_000, value_sats=POOR), 0, ""),
        (Need(1000, 1_000, value_sats=2_500_000), 1, "2500000 sat at risk"),
        (Need(1000, None, budget_sats=6_000), 2, "cannot estimate"),
        (Need(1000, None, budget_sats=100), None, "more than the budget of 100 sat"),
        (Need(1000, None, value_sats=700), 0, ""),  # the last one that pays less than is at risk
        (Need(1000, 1_000, at_least=2), 2, "too cheap"),
    ],
)
def test_the_step_and_its_reason(need, position, words):
    choice = choose(LADDER, need)
    assert choice.position == position
    assert words in choice.reason


def test_a_step_that_stands_is_left_alone_until_something_asks_for_more():
    calm = Need(1000, 4_000)
    assert choose(LADDER, calm, current=1).position == 1
    assert choose(LADDER, Need(1000, 4_000, waited=6), current=1).position == 2
    assert choose(LADDER, Need(1000, 60_000), current=1).position == 3
    assert choose(LADDER, Need(1000, 4_000, budget_sats=1000), current=3).position == 3  # nothing takes it back


def test_a_ladder_climbs_one_by_one_as_a_deadline_nears():
    left = [choose(LADDER, Need(1000, 1_000, blocks_left=n, blocks_in_all=10)).position for n in range(10, -1, -1)]
    assert left == sorted(left)
    assert set(left) == {0, 1, 2, 3, 4}
    assert left[6] == 4  # with time to be mined


needs = st.builds(
    Need,
    floor=st.integers(0, 500_000),
    estimate=st.none() | st.integers(0, 500_000),
    blocks_left=st.none() | st.integers(0, 2000),
    blocks_in_all=st.none() | st.integers(1, 2000),
    value_sats=st.none() | st.integers(1, 10**9),
    budget_sats=st.none() | st.integers(1, 50_000),
    waited=st.integers(0, 100),
    at_least=st.integers(0, 6),
)


@given(needs, st.none() | st.integers(0, 4))
def test_no_limit_is_ever_passed_and_no_step_taken_back(need, current):
    choice = choose(LADDER, need, current)
    limits = [limit for limit in (need.budget_sats, need.value_sats) if limit is not None]
    if choice.position is None:
        assert all(step.fee_sats > min(limits) for step in LADDER)
    elif choice.position != current:
        assert current is None or choice.position > current
        assert all(LADDER[choice.position].fee_sats <= limit for limit in limits)
    assert choice.reason


@given(needs, st.integers(0, 1999))
def test_less_time_never_means_a_lower_step(need, fewer):
    def position(blocks):
        timed = Need(need.floor, need.estimate, blocks, 2000, need.value_sats, need.budget_sats)
        return choose(LADDER, timed).position

    assert (position(fewer) or 0) >= (position(2000) or 0)


def test_the_estimate_is_asked_for_a_time_that_leaves_room_for_two_more_tries():
    assert [target(left) for left in (None, 0, 3, 9, 30, 10_000)] == [6, 2, 2, 3, 10, 144]
