"""Years of repeats, escalations, snoozes, silences and quiet hours, compared with tables that were written by hand."""

import itertools
from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.db import alerts, answers, outbox, silences
from bwm.db.alerts import Target
from bwm.db.answers import Outcome
from bwm.hold import QuietHours, Silence, Subject, held_until, is_exempt
from bwm.order import DIGEST_EVERY_S, LANES, Manner, Rung, Standing, manner, next_due, place_on_ladder
from bwm.severity import Severity
from tests.unit.tellers import BERLIN, MovedClock, Tellers, at

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = at("2026-01-01 12:00")
LADDER = (Rung(("family",), 1800, Severity.CRITICAL), Rung(("lawyer",), 12 * 3600, Severity.EMERGENCY))
NIGHT = QuietHours(time(22), time(7), BERLIN)


def target(channel: str, person: str, *, ladder=LADDER, quiet=()) -> Target:
    return Target(channel, Severity.INFO, (person,), ladder, quiet)


@pytest.fixture
def family(database) -> Tellers:
    people = (("phone", "owner"), ("sister", "family"), ("office", "lawyer"))
    return Tellers(database, MovedClock(START), [target(*each) for each in people])


@pytest.fixture
def alone(database) -> Tellers:
    return Tellers(database, MovedClock(START), [target("phone", "owner", ladder=())])


def the_alert() -> str:
    [alert] = alerts.listed()
    return alert.id


def seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def test_a_theft_that_nobody_answers_is_told_for_a_year_and_does_not_stop(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START + seconds(365 * DAY))
    times = [when for _, when in alone.since(START)]
    assert times[:7] == [0 * MINUTE, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 45 * MINUTE, HOUR]
    #              0, 1, 5, 15 min, quarters of the first day, hours of a week, days of the rest
    assert len(times) == 4 + 95 + 7 * 24 + 357
    assert [span for span in times if span > 363 * DAY] == [364 * DAY, 365 * DAY]


def test_x37_a_theft_that_comes_and_goes_for_days_stays_open_and_is_told_again_and_again(alone):
    """Its fee is too low to stay in any mempool; each hour it is sent once more and thrown out again."""
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    for hour in range(1, 5 * 24):
        for minute, kind in ((20, "trigger.evicted"), (40, "trigger.seen")):
            alone.run(START + hour * 3600 + minute * 60)
            alone.happens(kind, Severity.EMERGENCY, "theft")
    restless_s = alone.clock.now() - START
    whole_s = restless_s + seconds(10 * DAY)
    alone.run(START + whole_s)

    [alert] = alerts.listed()
    assert alert.state == "open"
    times = [seconds(when) for _, when in alone.since(START)]
    gaps = {earlier: later - earlier for earlier, later in itertools.pairwise([0, *times, whole_s])}
    assert max(gap for began, gap in gaps.items() if began < restless_s) <= seconds(HOUR)
    assert max(gaps.values()) <= seconds(DAY)


def test_who_stands_higher_on_the_ladder_hears_it_later_and_then_like_everybody(family):
    family.happens("trigger.seen", Severity.EMERGENCY, "theft")
    family.run(START + seconds(13 * HOUR))
    first = {}
    for channel, when in family.since(START):
        first.setdefault(channel, []).append(when)
    assert first["phone"][:4] == [0 * MINUTE, MINUTE, 5 * MINUTE, 15 * MINUTE]
    assert first["sister"][:3] == [30 * MINUTE, 45 * MINUTE, HOUR]
    assert first["office"] == [
        12 * HOUR,
        12 * HOUR + 15 * MINUTE,
        12 * HOUR + 30 * MINUTE,
        12 * HOUR + 45 * MINUTE,
        13 * HOUR,
    ]


def test_nobody_climbs_for_what_is_less_or_after_an_answer(family):
    family.happens("node.unreachable", Severity.CRITICAL, "node")
    family.run(START + seconds(20 * MINUTE))
    assert answers.acknowledge(the_alert(), "owner", family.clock.now()) is Outcome.DONE
    family.happens("funds.received", Severity.INFO, "dust")
    family.happens("node.feed_lost", Severity.WARNING, "feed")
    family.run(START + seconds(23 * HOUR))
    assert [channel for channel, _ in family.told] == ["phone"] * 6


def test_the_next_people_are_told_at_once_when_the_first_cannot_be_reached(family):
    family.broken = {"phone"}
    family.happens("trigger.seen", Severity.EMERGENCY, "theft")
    family.run(START + seconds(MINUTE))
    assert family.since(START) == [("sister", 0 * MINUTE), ("sister", MINUTE)]
    family.broken = {"phone", "sister"}
    family.happens("trigger.seen", Severity.EMERGENCY, "another")
    family.run(START + seconds(2 * MINUTE))
    assert family.since(START)[2:] == [("office", MINUTE), ("office", 2 * MINUTE)]


def test_a_channel_that_told_once_does_not_fall_back_when_a_repeat_fails(family):
    family.happens("trigger.seen", Severity.EMERGENCY, "theft")
    family.run(START)
    family.broken = {"phone"}
    family.run(START + seconds(29 * MINUTE))
    assert family.since(START) == [("phone", 0 * MINUTE)]
    family.run(START + seconds(30 * MINUTE))
    assert family.since(START)[1:] == [("sister", 30 * MINUTE)]


def test_what_a_policy_wants_of_an_alert_goes_before_the_configuration(family):
    family.happens(
        "trigger.seen",
        Severity.EMERGENCY,
        "theft",
        people=("lawyer",),
        repeat_every_s=300,
        escalation=(Rung(("owner",), 600),),
    )
    family.run(START + seconds(11 * MINUTE))
    assert sorted(family.since(START)) == [
        ("office", 0 * MINUTE),
        ("office", 5 * MINUTE),
        ("office", 10 * MINUTE),
        ("phone", 10 * MINUTE),
    ]


def test_an_alert_for_people_whom_no_channel_reaches_is_told_to_everybody(family):
    family.happens("trigger.seen", Severity.EMERGENCY, "theft", people=("nobody",))
    family.run(START)
    assert ("phone", START) in family.told


def test_a_snooze_keeps_everybody_quiet_and_then_begins_anew(family):
    family.happens("trigger.seen", Severity.EMERGENCY, "theft")
    family.run(START + seconds(2 * MINUTE))
    assert answers.snooze(the_alert(), "owner", family.clock.now(), seconds(2 * HOUR))
    family.run(START + seconds(3 * HOUR))
    assert family.since(START) == [
        ("phone", 0 * MINUTE),
        ("phone", MINUTE),
        ("phone", 2 * HOUR + 2 * MINUTE),
        ("phone", 2 * HOUR + 3 * MINUTE),
        ("phone", 2 * HOUR + 7 * MINUTE),
        ("phone", 2 * HOUR + 17 * MINUTE),
        ("phone", 2 * HOUR + 32 * MINUTE),
        ("sister", 2 * HOUR + 32 * MINUTE),
        ("phone", 2 * HOUR + 47 * MINUTE),
        ("sister", 2 * HOUR + 47 * MINUTE),
    ]


def test_news_is_told_during_a_snooze_and_does_not_end_it(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START)
    answers.snooze(the_alert(), "owner", START, seconds(2 * HOUR))
    alone.run(START + seconds(HOUR))
    alone.happens("trigger.confirmed", Severity.EMERGENCY, "theft")
    alone.run(START + seconds(2 * HOUR))
    assert [when for _, when in alone.since(START)] == [0 * HOUR, HOUR, 2 * HOUR]


def test_a_repeat_that_fails_during_a_snooze_waits_for_its_end(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START)
    claim = claim_at(alone, START + 60)
    answers.snooze(the_alert(), "owner", START + 60, 7200)
    outbox.failed(claim, outbox.Retry(START + 65), "no answer", START + 61)
    assert outbox.next_due_on("phone", START + 61) == START + 60 + 7200


def test_news_does_not_wait_for_the_end_of_a_snooze_where_nothing_could_be_told_before(alone):
    alone.broken = {"phone"}
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START + seconds(MINUTE))
    answers.snooze(the_alert(), "owner", alone.clock.now(), seconds(2 * DAY))
    alone.broken = set()
    alone.run(START + seconds(HOUR))
    alone.happens("trigger.confirmed", Severity.EMERGENCY, "theft")
    alone.run(START + seconds(HOUR))
    assert alone.since(START) == [("phone", HOUR)]


def test_what_turns_graver_during_a_snooze_climbs_the_ladder_at_once(family):
    family.happens("node.tip_stale", Severity.CRITICAL, "tip")
    family.run(START)
    answers.snooze(the_alert(), "owner", START, seconds(2 * DAY))
    family.run(START + seconds(HOUR))
    family.happens("node.tip_stale", Severity.EMERGENCY, "tip")
    family.run(START + seconds(HOUR + 31 * MINUTE))
    assert ("phone", HOUR) in family.since(START)
    assert ("sister", HOUR + 30 * MINUTE) in family.since(START)


def claim_at(tellers: Tellers, now: int) -> outbox.Claim:
    tellers.clock.pass_to(now)
    claim = outbox.claim("phone", now)
    assert claim
    return claim


def test_an_answer_that_is_taken_back_within_the_second_of_the_telling_has_it_told_again(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START)
    answers.acknowledge(the_alert(), "owner", START)
    answers.unacknowledge(the_alert(), "owner", START)
    assert outbox.next_due_on("phone", START) == START
    assert claim_at(alone, START)


def test_an_answer_that_is_taken_back_while_it_is_being_told_has_it_told_again(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    of_before = claim_at(alone, START)
    answers.acknowledge(the_alert(), "owner", START)
    answers.unacknowledge(the_alert(), "owner", START)
    outbox.succeeded(of_before, START + 1)
    assert outbox.next_due_on("phone", START + 1) == START
    outbox.succeeded(claim_at(alone, START + 1), START + 1)
    assert outbox.next_due_on("phone", START + 1) == START + MINUTE.total_seconds()


def test_an_answer_that_is_taken_back_has_everybody_told_again(family):
    family.happens("trigger.seen", Severity.EMERGENCY, "theft")
    family.run(START)
    answers.acknowledge(the_alert(), "owner", START)
    family.run(START + seconds(DAY))
    assert answers.unacknowledge(the_alert(), "owner", family.clock.now())
    family.run(START + seconds(DAY + 30 * MINUTE))
    assert family.since(START)[1:] == [
        ("phone", DAY),
        ("phone", DAY + MINUTE),
        ("phone", DAY + 5 * MINUTE),
        ("phone", DAY + 15 * MINUTE),
        ("phone", DAY + 30 * MINUTE),
        ("sister", DAY + 30 * MINUTE),
    ]


@pytest.mark.parametrize(
    ("happened", "told"),
    [
        ("2026-01-10 21:59", "2026-01-10 21:59"),
        ("2026-01-10 22:00", "2026-01-11 07:00"),
        ("2026-01-11 06:59", "2026-01-11 07:00"),
        ("2026-03-28 23:00", "2026-03-29 07:00"),  # seven hours later: the clocks are set forward
        ("2026-10-24 23:00", "2026-10-25 07:00"),  # nine hours later: the clocks are set back
        ("2026-12-31 23:59", "2027-01-01 07:00"),
    ],
)
def test_what_can_wait_waits_for_the_morning(database, happened, told):
    tellers = Tellers(database, MovedClock(at(happened)), [target("phone", "owner", quiet=(NIGHT,))])
    tellers.happens("node.feed_lost", Severity.WARNING, "feed")
    tellers.happens("trigger.seen", Severity.WARNING, "theft of little")
    tellers.happens("node.unreachable", Severity.CRITICAL, "node")
    tellers.run(at(happened))
    tellers.clock.pass_to(at(happened))
    at_once = 3 if told == happened else 2
    assert len(tellers.told) == at_once
    warnings = [each for each in alerts.listed() if each.case == "feed"]
    tellers.run(at(told))
    [order] = outbox.of_alert(warnings[0].id)
    assert order.done_at == at(told)


def test_the_spans_of_the_nights_on_which_clocks_change():
    assert at("2026-03-29 07:00") - at("2026-03-28 23:00") == 7 * 3600
    assert at("2026-10-25 07:00") - at("2026-10-24 23:00") == 9 * 3600


@pytest.mark.parametrize(
    ("ends", "now", "utc_end"),
    [
        (time(2, 30), "2026-03-29 00:30", 1774747800),  # 01:30 UTC: 02:30 does not exist, and is half past one
        (time(2, 30), "2026-10-25 00:30", 1792888200),  # 00:30 UTC: the first of the two
    ],
)
def test_quiet_hours_that_end_in_the_hour_of_the_change(ends, now, utc_end):
    assert QuietHours(time(22), ends, BERLIN).until(at(now)) == utc_end


def test_a_silence_keeps_back_what_it_names_and_never_a_theft(alone):
    silences.begin(Silence(START, START + 7200, ("*",)), "new disk", "owner")
    alone.happens("node.unreachable", Severity.CRITICAL, "node")
    alone.happens("trigger.seen", Severity.WARNING, "little")
    alone.happens("guardian.locked", Severity.CRITICAL, "lock")
    alone.happens("announcement.made", Severity.WARNING, "said to come")
    alone.happens("announcement.expired", Severity.INFO, "did not come")
    alone.run(START + 7199)
    told = {order.alert.case for order in outbox.Order.select() if order.done_at is not None}
    assert told == {"little", "lock", "said to come"}
    alone.run(START + 7200)
    after = {order.alert.case for order in outbox.Order.select() if order.done_at is not None}
    assert after == {"node", "did not come", *told}


def test_a_silence_that_is_ended_lets_go_at_once_and_a_graver_turn_does_not_wait(alone):
    number = silences.begin(Silence(START, START + 7200, ("node.*",)), "", "owner")
    alone.happens("node.syncing", Severity.HIGH, "node")
    alone.run(START + 60)
    assert alone.told == []
    silences.end(number, START + 60)
    alone.run(START + 61)
    assert alone.told == [("phone", START + 60)]


def test_a_clock_that_was_set_back_ends_a_silence_that_had_not_begun(alone):
    silences.begin(Silence(START, START + 7200, ("node.*",)), "", "owner")
    alone.happens("node.syncing", Severity.HIGH, "node")
    alone.run(START)
    alone.clock.time = START - 86400
    outbox.bring_forward(START - 86400)
    alone.run(START - 86400)
    assert [when for _, when in alone.told] == [START - 86400]


def test_after_the_clock_jumps_nothing_is_silent_for_longer_than_its_rule(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START)
    alone.clock.time -= 86400
    outbox.bring_forward(alone.clock.time)
    alone.run(START - 86400 + seconds(HOUR))
    assert [when - (START - 86400) for _, when in alone.told[1:]] == [900, 1800, 2700, 3600]


def test_a_snooze_is_not_longer_because_the_clock_was_set_back(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START)
    answers.snooze(the_alert(), "owner", START, 7200)
    alone.clock.time -= 86400
    outbox.bring_forward(alone.clock.time)
    alone.run(START - 86400 + 7200)
    assert [when - (START - 86400) for _, when in alone.told[1:]] == [7200]


def test_a_clock_that_was_wrong_for_a_while_makes_no_repeat_of_its_own(alone):
    alone.happens("node.feed_lost", Severity.WARNING, "feed")
    alone.run(START)
    outbox.bring_forward(START - 86400)  # an hour later the clock is set back by a day, and soon right again
    alone.clock.pass_to(START + 3600)
    alone.run(START + seconds(DAY))
    assert [when for _, when in alone.told] == [START, START + 86400]


def test_a_clock_that_was_set_forward_has_it_told_at_once(alone):
    alone.happens("trigger.seen", Severity.EMERGENCY, "theft")
    alone.run(START)
    alone.clock.time += 86400 * 400
    alone.run(alone.clock.time)
    assert [when for _, when in alone.told] == [START, START + 86400 * 400]


severities = st.sampled_from(Severity)
moments = st.integers(0, 2**33)


@given(severities, moments, moments, st.none() | st.integers(60, 10**6), st.integers(0, 7 * 86400))
def test_what_waits_for_an_answer_is_always_told_again_and_within_its_span(severity, since, now, every_s, snoozed_s):
    due = next_due(Standing(str(severity), since, every_s, snoozed_s), now, now)
    if severity is Severity.INFO:
        assert due is None
    else:
        assert due is not None
        assert now < due or (due == now and since == now)
        assert due - now <= max(86400, every_s or 0, snoozed_s)


@given(
    st.sets(st.sampled_from("abc")),
    severities,
    st.sets(st.sampled_from("abc")),
    st.lists(st.sets(st.sampled_from("abc"), min_size=1)),
)
def test_who_is_named_by_nobody_is_told_first(reaches, severity, people, rungs):
    ladder = tuple(Rung(tuple(rung), 60 * number) for number, rung in enumerate(rungs, 1))
    place = place_on_ladder(reaches, severity, people, ladder)
    named = set().union(*rungs) if rungs else set()
    if not people and not reaches & named:
        assert place is not None
        assert place.rung == 0
    if place and place.rung:
        assert severity is not Severity.INFO
        assert reaches & rungs[place.rung - 1]


kinds = st.sampled_from(("trigger.seen", "trigger.coin_gone", "guardian.locked", "response.failed", "alert.duress"))


@given(kinds, st.sampled_from([Severity.HIGH, Severity.CRITICAL, Severity.EMERGENCY]), moments)
def test_nothing_that_tells_of_a_theft_is_ever_kept_back(kind, severity, now):
    subject = Subject(kind, severity, "cold")
    assert is_exempt(subject)
    everything = [Silence(0, 2**40, ("*",))]
    always = [QuietHours(time(0), time(23, 59), BERLIN, below=Severity.EMERGENCY)]
    assert held_until(subject, ("owner",), everything, always, now) is None


@given(st.sampled_from(LANES), st.integers(0, 10**5), st.integers(0, 10**5), st.floats(0, 10**6))
def test_the_gravest_are_never_told_together_and_others_wait_for_one_window_at_most(lane, waiting, lately, passed_s):
    how = manner(lane, waiting, lately, passed_s)
    if Severity.EMERGENCY in lane.severities:
        assert how is Manner.SINGLY
    if passed_s >= DIGEST_EVERY_S:
        assert how is not Manner.LATER
