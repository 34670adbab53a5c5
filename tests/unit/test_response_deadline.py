"""How many blocks are left: by heights, by median times, and from what scripts show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.response.deadline import Left, Lock, Moment, absolute_lock, in_words, left, locks_in, parse_lock, relative_lock
from bwm.response.deadline import shortest as shortest_of

DAY = 86_400


@pytest.mark.parametrize(
    ("lock", "tip", "before_trigger", "blocks", "in_all"),
    [
        # mined at 100 with 10 blocks to wait, the thief can be in block 110: ours in 101 to 109
        (Lock("blocks", 10), Moment(100, 0), Moment(99, 0), 9, 10),
        (Lock("blocks", 10), Moment(108, 0), Moment(99, 0), 1, 10),
        (Lock("blocks", 10), Moment(109, 0), Moment(99, 0), 0, 10),
        (Lock("blocks", 10), Moment(150, 0), Moment(99, 0), 0, 10),
        (Lock("blocks", 10), Moment(100, 0), None, 10, 10),  # not mined yet: the earliest is the next block
        (Lock("height", 120), Moment(100, 0), Moment(99, 0), 20, 21),  # a locktime of 120 allows block 121
        (Lock("height", 90), Moment(100, 0), Moment(99, 0), 0, 1),
        (Lock("seconds", 2 * DAY), Moment(100, 5_000), Moment(99, 5_000), 288, 288),
        (Lock("seconds", 2 * DAY), Moment(300, 5_000 + DAY), Moment(99, 5_000), 144, 288),
        (Lock("time", 10_000 + DAY), Moment(100, 10_000), Moment(99, 10_000), 144, 144),
        (Lock("time", 10_000), Moment(100, 20_000), Moment(99, 9_000), 0, 1),
    ],
)
def test_what_is_left_of_a_lock(lock, tip, before_trigger, blocks, in_all):
    assert left(lock, tip, before_trigger) == Left(blocks, in_all)


@given(st.integers(1, 65_535), st.integers(100, 10_000), st.integers(0, 70_000))
def test_a_response_is_never_said_to_have_a_block_in_which_the_thief_can_come_first(delay, height, gone):
    trigger = Moment(height - 1, 0)
    tip = Moment(height + gone, 0)
    first_of_thief = height + delay
    blocks = left(Lock("blocks", delay), tip, trigger).blocks
    assert blocks == max(0, first_of_thief - 1 - tip.height)


@pytest.mark.parametrize(
    ("value", "lock"),
    [
        (10, Lock("blocks", 10)),
        (0x00400152, Lock("seconds", 338 * 512)),
        (0, None),
        (1 << 31 | 10, None),  # disabled (BIP 68)
        (0xFFFF, Lock("blocks", 65_535)),
    ],
)
def test_relative_locks_as_in_bip_68(value, lock):
    assert relative_lock(value) == lock


def test_absolute_locks_as_in_bip_65():
    assert absolute_lock(0) is None
    assert absolute_lock(499_999_999) == Lock("height", 499_999_999)
    assert absolute_lock(500_000_000) == Lock("time", 500_000_000)


KEY = b"\x21" + bytes(33)


@pytest.mark.parametrize(
    ("script", "locks"),
    [
        (b"\x63\x5a\xb2\x75" + KEY + b"\xac\x67" + KEY + b"\xac\x68", [Lock("blocks", 10)]),
        (b"\x02\x90\x00\xb2\x75" + KEY + b"\xac", [Lock("blocks", 144)]),
        (b"\x03\x52\x01\x40\xb2\x75" + KEY + b"\xac", [Lock("seconds", 338 * 512)]),
        (b"\x03\xa0\xbb\x0d\xb1\x75" + KEY + b"\xac", [Lock("height", 900_000)]),
        (KEY + b"\xac", []),
        (b"\x02\x5a\xb2" + KEY, []),  # the same bytes as data
        (b"\x4c\x02\x5a\xb2\x5a\x75\xb2", []),  # nothing stands right before the lock's word
        (b"\x01\x81\xb2", []),  # a negative number locks nothing
        (b"\xb2", []),
        (b"\x4d\xff", []),  # cut off
        (b"", []),
    ],
)
def test_the_locks_that_a_script_shows(script, locks):
    assert list(locks_in(script)) == locks


@given(st.binary(max_size=200))
def test_any_bytes_can_be_searched(script):
    assert all(lock.amount > 0 for lock in locks_in(script))


def test_the_lock_to_fear_is_the_first_to_end_and_relative():
    locks = [Lock("height", 5), Lock("seconds", DAY), Lock("blocks", 143), Lock("blocks", 1000)]
    assert shortest_of(locks) == Lock("blocks", 143)
    assert shortest_of([]) is None


@given(st.sampled_from(["blocks", "seconds", "height", "time"]), st.integers(0, 10**11))
def test_a_lock_is_read_as_it_was_written(kind, amount):
    assert parse_lock(str(Lock(kind, amount))) == Lock(kind, amount)
    assert str(amount) in in_words(Lock(kind, amount)) or kind == "seconds"


@pytest.mark.parametrize("text", ["", "blocks", "blocks:", "blocks:-1", "hours:3", "blocks:1x"])
def test_what_is_no_lock_is_refused(text):
    with pytest.raises(ValueError, match="no lock"):
        parse_lock(text)
