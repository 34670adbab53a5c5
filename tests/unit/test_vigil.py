"""A loop that hangs is told of in time, once, and a machine that slept is not taken for one that hangs."""

from bwm.daemon.vigil import LOOK_EVERY_S, Vigil

WITHIN_S = 120  # the promise


def test_a_loop_that_makes_no_step_is_told_of_within_two_minutes_and_once():
    told: list[str] = []
    vigil = Vigil(lambda: 7.0, told.append)
    for _ in range(int(WITHIN_S / LOOK_EVERY_S)):
        vigil.look()
    assert len(told) == 1
    for _ in range(100):
        vigil.look()
    assert len(told) == 1


def test_a_loop_that_turns_now_and_then_is_well_and_one_that_hangs_again_is_told_of_again():
    told: list[str] = []
    turns = iter([*(number // 20 for number in range(200)), *[50] * 30, *[60] * 30])
    vigil = Vigil(lambda: float(next(turns)), told.append)
    for _ in range(200):
        vigil.look()
    assert told == []
    for _ in range(60):
        vigil.look()
    assert len(told) == 2
