"""Troubles begin, are told once they last, and end; and the account of blind time adds up."""

from hypothesis import given
from hypothesis import strategies as st

from bwm.health import CONDITIONS, blind_since, look, settles, severities, tip_conditions, unwatched_s

NOW = 1_700_000_000


def test_a_node_that_is_back_within_a_minute_is_not_worth_a_word():
    troubles, events = look({}, {"node": "refused"}, "regtest", NOW)
    assert events == ()
    assert blind_since(troubles) == NOW
    troubles, events = look(troubles, {}, "regtest", NOW + 59)
    assert (troubles, events) == ({}, ())


def test_a_lasting_trouble_is_told_once_with_its_words_and_once_more_when_it_ends():
    troubles, _ = look({}, {"node": "refused"}, "regtest", NOW)
    troubles, [began] = look(troubles, {"node": "timed out"}, "regtest", NOW + 60)
    assert began.kind == "node.unreachable"
    assert "timed out" in began.reason
    troubles, events = look(troubles, {"node": "timed out"}, "regtest", NOW + 90)
    assert events == ()
    troubles, [ended] = look(troubles, {}, "regtest", NOW + 100)
    assert (ended.kind, ended.detail["lasted_s"]) == ("node.reachable", 100)
    assert ended.detail["case"] == began.detail["case"]
    assert blind_since(troubles) is None


def test_a_channel_is_named_and_does_not_blind():
    troubles, _ = look({}, {"channel/phone": "500"}, "regtest", NOW)
    troubles, [began] = look(troubles, {"channel/phone": "500"}, "regtest", NOW + 60)
    assert began.detail["subject"] == "phone"
    assert began.reason.startswith("phone: ")
    assert blind_since(troubles) is None


def test_every_kind_that_begins_a_trouble_is_loud_and_every_kind_that_ends_one_settles_it():
    loudness = severities()
    for condition in CONDITIONS.values():
        assert loudness[condition.began] is condition.severity
        assert settles(condition.ended) is condition.severity
        assert settles(condition.began) is None
    assert len(loudness) == 2 * len(CONDITIONS) + 5


def test_the_ladder_of_an_old_tip_has_three_steps():
    assert list(tip_conditions(59 * 60)) == []
    assert list(tip_conditions(60 * 60)) == ["tip-60"]
    assert list(tip_conditions(2 * 60 * 60)) == ["tip-60", "tip-90", "tip-120"]


moments = st.integers(0, 200)


@given(st.lists(st.tuples(moments, moments)), moments, moments)
def test_the_account_of_blind_time_is_the_count_of_blind_seconds(intervals, since, now):
    blind = {second for began, ended in intervals for second in range(began, ended)}
    assert unwatched_s(intervals, since, now) == len([second for second in blind if since <= second < now])
