"""The life of a response that was decided on, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.block import BlockRef
from bwm.plan_response import SEVERITY, kind_of, plan_broadcast
from bwm.response.broadcast import LIVE, TRANSITIONS, Broadcast, Look, State, moved

BLOCK = BlockRef(100, "ab" * 32)
NEW = Broadcast(1, State.WAITING, "decided", "coins moved")


def steps(*looks, start=NEW):
    for number, look in enumerate(looks):
        after = moved(start, look, f"{look}{number}", "because", block=BLOCK)
        assert after, f"{look} tells nothing after {start.state}"
        start = after
    return start


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([Look.IN_MEMPOOL, Look.IN_BLOCK, Look.BURIED], State.BURIED),
        ([Look.HINDERED, Look.IN_MEMPOOL, Look.GONE, Look.IN_MEMPOOL], State.SENT),
        ([Look.IN_MEMPOOL, Look.IN_BLOCK, Look.DISCONNECTED, Look.IN_BLOCK], State.CONFIRMED),
        ([Look.REFUSED, Look.RIVAL_IN_BLOCK, Look.RIVAL_DISCONNECTED, Look.IN_MEMPOOL], State.SENT),
        ([Look.IN_MEMPOOL, Look.RIVAL_IN_MEMPOOL, Look.RIVAL_IN_BLOCK, Look.RIVAL_BURIED], State.LOST),
        ([Look.HINDERED, Look.CALLED_OFF], State.CALLED_OFF),
    ],
)
def test_the_roads(looks, state):
    assert steps(*looks).state is state


def test_what_is_over_stays_over():
    for state in set(State) - set(LIVE):
        assert not [look for (before, look) in TRANSITIONS if before is state]


def test_what_is_in_the_mempool_or_a_block_cannot_be_called_off_or_refused():
    for state in (State.SENT, State.CONFIRMED, State.CONFLICTED):
        assert (state, Look.CALLED_OFF) not in TRANSITIONS
        assert (state, Look.REFUSED) not in TRANSITIONS


def test_every_live_state_can_reach_the_end():
    for start in LIVE:
        reached, edge = {start}, [start]
        while edge:
            state = edge.pop()
            found = {after for (before, _), after in TRANSITIONS.items() if before is state} - reached
            reached |= found
            edge += found
        assert State.BURIED in reached


def test_the_same_look_is_told_once_and_another_cause_anew():
    waiting = moved(NEW, Look.HINDERED, "hold", "on hold")
    assert moved(waiting, Look.HINDERED, "hold", "on hold") is None
    assert moved(waiting, Look.HINDERED, "blind", "blind").revision == waiting.revision + 1


@given(st.lists(st.tuples(st.sampled_from(list(Look)), st.integers(0, 2)), max_size=12))
def test_every_step_is_an_event_of_a_known_kind_with_a_key_of_its_own(looks):
    broadcast, keys = NEW, set()
    for look, position in looks:
        after = moved(broadcast, look, str(look), "because", position=position, height=7, block=BLOCK, rival="cd" * 32)
        if after is None:
            continue
        assert kind_of(broadcast, after) in SEVERITY
        changes = plan_broadcast(broadcast, after, "cold/safe", "cold", "ab" * 32, None, 500, "regtest", 9)
        [event], [alert] = changes.events, changes.alerts
        assert event.key not in keys
        assert alert.case == "response/cold/safe/1"
        keys.add(event.key)
        broadcast = after
