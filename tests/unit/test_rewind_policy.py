"""When a device is told again, and how far its acknowledgement reaches."""

from hypothesis import given
from hypothesis import strategies as st

from bwm.policy.rewind import (
    AHEAD_S,
    GRACE_S,
    Acknowledgement,
    Incident,
    acknowledge,
    carried_over,
    is_silenced,
    look,
    next_message,
)

HOUR = 3600


def hours_of(first_at: int) -> list[float]:
    times = [first_at]
    while (following := next_message(first_at, times[-1])) is not None:
        times.append(following)
    return [round((at - first_at) / HOUR, 2) for at in times]


def test_ten_messages_in_a_week_at_the_hours_of_the_wallets_own_tower():
    assert hours_of(1_795_248_000) == [0, 6, 12, 18, 42, 66, 90, 114, 138, 162]


@given(first_at=st.integers(0, 2**40), late_s=st.integers(0, 700_000))
def test_after_an_outage_there_is_one_message_and_the_next_is_hours_away(first_at, late_s):
    last_at = first_at + late_s
    following = next_message(first_at, last_at)
    assert following is None or following - last_at >= 6 * HOUR
    assert following is None or following < first_at + 168 * HOUR


def test_what_comes_back_soon_is_the_same_incident_and_what_comes_back_late_another():
    first = look(Incident(), is_seen=True, now=0)
    gone = look(first, is_seen=False, now=100)
    assert look(gone, is_seen=False, now=200).gone_since == 100
    assert look(gone, is_seen=True, now=100 + GRACE_S) == first
    assert look(gone, is_seen=True, now=101 + GRACE_S) == Incident(2)


def test_what_stands_beside_another_that_it_did_not_replace_is_another_incident():
    first = look(Incident(), is_seen=True, now=0)
    answered = acknowledge(first, Acknowledgement(), now=10)
    assert not is_silenced(answered, look(first, is_seen=True, now=20, is_another=True))
    assert is_silenced(answered, look(first, is_seen=True, now=20))


def test_nothing_seen_is_no_incident():
    assert look(Incident(), is_seen=False, now=5) == Incident()


def test_an_acknowledgement_covers_its_incident_and_not_the_next():
    answered = acknowledge(Incident(1), Acknowledgement(), now=10)
    assert is_silenced(answered, Incident(1))
    assert is_silenced(answered, Incident(1, gone_since=20))
    assert not is_silenced(answered, Incident(2))


def test_one_given_ahead_covers_the_first_incident_within_a_day():
    ahead = acknowledge(Incident(), Acknowledgement(), now=0)
    assert not is_silenced(ahead, Incident(0)) or ahead.incident is None
    in_time, late = carried_over(ahead, Incident(1), AHEAD_S), carried_over(ahead, Incident(1), AHEAD_S + 1)
    assert is_silenced(in_time, Incident(1))
    assert not is_silenced(late, Incident(1))
    assert not is_silenced(carried_over(in_time, Incident(2), AHEAD_S), Incident(2))


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 10_000)), max_size=30),
)
def test_incidents_only_ever_count_up_and_one_is_current_only_while_something_is_seen(steps):
    incident, now = Incident(), 0
    for is_seen, wait_s in steps:
        now += wait_s
        after = look(incident, is_seen=is_seen, now=now)
        assert incident.number <= after.number <= incident.number + 1
        assert not is_seen or (after.number > 0 and after.gone_since is None)
        incident = after
