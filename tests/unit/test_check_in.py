"""The dead-man switch: its stages in their order, and all that holds the last one back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.check_in import Sight, Stage, Standing, Term, awake_since, believed, look, stage_of
from bwm.config import Config
from bwm.config_alerts import CheckInConfig
from bwm.config_channels import ChannelConfig
from bwm.daemon.checking_in import checked_in, standing_of
from bwm.daemon.watch_check_in import CheckInWatch
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import alerts, journal, orders, outbox, schema
from bwm.db.alerts import Target
from bwm.db.database import Database
from bwm.errors import UsageError
from bwm.plan import Changes
from bwm.severity import Severity
from tests.unit.tellers import MovedClock

NOW = 1_800_000_000
HOUR, DAY = 3600, 86_400
YEAR = 365 * DAY
TERM = Term(3, NOW, 30 * DAY, 7 * DAY, 3 * DAY)


def sight(after_s: int, **known: object) -> Sight:
    """A tower that has run for long, with the chain an hour behind its clock."""
    now = NOW + after_s
    return Sight(**{"now": now, "chain_time": now - HOUR, "awake_since": NOW - YEAR, "delivered": True, **known})


def after_a_warning(**known: object) -> Standing:
    """That the check-in is overdue was told in time."""
    return replace(Standing(TERM, Stage.OVERDUE, TERM.due_at + 60), **known)


# Pure


@pytest.mark.parametrize(
    ("days", "stage", "kinds"),
    [
        (26.9, Stage.FINE, []),
        (27, Stage.DUE, ["deadman.due"]),
        (30, Stage.OVERDUE, ["deadman.overdue"]),
        (40, Stage.OVERDUE, ["deadman.overdue"]),  # told late: a warning comes before the end all the same
    ],
)
def test_time_alone_leads_up_to_overdue_and_no_further(days, stage, kinds):
    standing, changes = look(None, TERM, sight(int(days * DAY)), "regtest")
    assert standing.stage is stage
    assert [event.kind for event in changes.events] == kinds


def test_the_last_stage_follows_a_warning_that_was_heard_and_a_check_in_ends_it():
    standing, told = look(after_a_warning(), TERM, sight(37 * DAY + HOUR), "regtest", Severity.EMERGENCY)
    assert [(alert.event.kind, alert.severity) for alert in told.alerts] == [("deadman.missed", Severity.EMERGENCY)]
    fresh = replace(TERM, number=4, since=NOW + 38 * DAY)
    standing, ended = look(standing, fresh, sight(38 * DAY), "regtest")
    assert standing == Standing(fresh)
    [back] = ended.alerts
    assert (back.event.kind, back.case, back.resolves) == ("deadman.back", told.alerts[0].case, Severity.EMERGENCY)


AT_THE_END = 37 * DAY + HOUR


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (after_a_warning(warned_at=None), sight(AT_THE_END, delivered=False)),
        (after_a_warning(warned_at=None), sight(AT_THE_END)),  # heard only now
        (after_a_warning(warned_at=NOW + AT_THE_END - DAY + 1), sight(AT_THE_END)),
        (after_a_warning(), sight(AT_THE_END, blind=True)),
        (after_a_warning(), sight(AT_THE_END, chain_time=None)),
        (after_a_warning(), sight(AT_THE_END, chain_time=TERM.ends_at - 1)),
        (after_a_warning(), sight(AT_THE_END, awake_since=NOW + AT_THE_END - DAY + 1)),
        (after_a_warning(), sight(AT_THE_END, now=TERM.ends_at - 1)),
        (Standing(TERM, Stage.DUE, TERM.due_at), sight(AT_THE_END)),
    ],
)
def test_each_of_these_alone_holds_the_last_stage_back(before, now):
    assert stage_of(after_a_warning(), sight(AT_THE_END)) is Stage.MISSED
    standing, _ = look(before, TERM, now, "regtest")
    assert standing.stage is not Stage.MISSED


def test_a_clock_that_jumps_ahead_by_years_sets_nothing_off():
    jumped = sight(0, now=NOW + 10 * YEAR)
    assert look(None, TERM, jumped, "regtest")[1].events == ()
    assert stage_of(after_a_warning(), replace(jumped, chain_time=TERM.ends_at - 1)) is Stage.OVERDUE


def test_a_clock_that_stands_in_1970_is_not_believed_either():
    assert believed(3600, NOW) == NOW
    assert look(None, TERM, sight(0, now=3600, chain_time=TERM.due_at), "regtest")[0].stage is Stage.OVERDUE


def test_a_clock_that_is_set_back_takes_nothing_back():
    assert look(after_a_warning(), TERM, sight(20 * DAY), "regtest") == (
        after_a_warning(warned_at=NOW + 20 * DAY),
        Changes(),
    )


def test_settings_that_change_begin_anew_and_end_what_was_told():
    longer = replace(TERM, period_s=90 * DAY)
    standing, changes = look(after_a_warning(), longer, sight(31 * DAY), "regtest")
    assert (standing.stage, [event.kind for event in changes.events]) == (Stage.FINE, ["deadman.back"])
    assert "settings" in changes.events[0].reason
    assert look(after_a_warning(), None, sight(31 * DAY), "regtest")[1].events[0].kind == "deadman.back"


def test_a_pause_or_a_jump_of_the_clock_begins_the_day_in_one_piece_anew():
    assert awake_since(None, None, NOW) == NOW
    assert awake_since(NOW - 2, NOW - DAY, NOW) == NOW - DAY
    assert awake_since(NOW + 2, NOW - DAY, NOW) == NOW - DAY  # set back by a step of the time service
    assert awake_since(NOW - HOUR - 1, NOW - DAY, NOW) == NOW
    assert awake_since(NOW + YEAR, NOW - DAY, NOW) == NOW


terms = st.builds(
    Term,
    number=st.integers(0, 3),
    since=st.just(NOW),
    period_s=st.integers(HOUR, 60 * DAY),
    grace_s=st.integers(HOUR, 20 * DAY),
    remind_s=st.integers(0, 10 * DAY),
)
looks = st.tuples(
    st.integers(0, 10 * DAY),  # true time that passes
    st.sampled_from([0, 0, 0, 0, -20 * YEAR, -DAY, DAY, 10 * YEAR]),  # how wrong the clock is
    st.integers(0, 2 * DAY),  # how old the chain's time is
    st.booleans(),  # blind
    st.booleans(),  # delivered
)


@given(terms, st.lists(looks, max_size=40))
def test_it_is_never_missed_too_early_nor_without_a_warning_whatever_the_clock_does(term, steps):
    standing, true_time = None, NOW
    seen, awake, warned = None, None, False
    for passes, wrong, lag, blind, delivered in steps:
        true_time += passes
        now, chain_time = true_time + wrong, true_time - lag
        awake = awake_since(seen, awake, now)
        seen = now
        before = standing
        warned |= standing is not None and standing.stage is Stage.OVERDUE and delivered
        standing, changes = look(standing, term, Sight(now, chain_time, awake, blind, delivered), "regtest")
        assert before is None or standing.stage.rank >= before.stage.rank
        if [event.kind for event in changes.events] == ["deadman.missed"]:
            assert true_time >= term.ends_at
            assert before.stage is Stage.OVERDUE
            assert warned
            assert not blind
        if [event.kind for event in changes.events] == ["deadman.overdue"]:
            assert true_time >= term.due_at - DAY  # the clock is believed a day ahead of the chain


# With its database


class House:
    """A tower's database, clock and watch; its channels deliver when they are told to."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database = folder, database
        self.clock = MovedClock(NOW)
        self.config = Config(
            "regtest",
            folder,
            f"sqlite:///{folder}/bwm.sqlite",
            channels=(ChannelConfig("phone", "apprise"), ChannelConfig("log", "file")),
            check_in=CheckInConfig(2 * DAY, DAY, DAY // 2),
        )
        self.works = ["phone", "log"]
        self.start()

    def start(self) -> None:
        """The daemon starts, with the configuration as it is."""
        targets = [Target(channel.name, Severity.INFO) for channel in self.config.channels]
        writer = Writer(self.database, WatchList(), targets, self.clock, 6, lambda: None, lambda told: None)
        self._watch = CheckInWatch(self.config, self.database, writer, self.clock, lambda: False)

    def pass_hours(self, hours: float, *, chain: bool = True) -> list[str]:
        """Let time pass, with a look every 50 minutes; what was told then."""
        seq, until = journal.last_seq(), self.clock.now() + int(hours * HOUR)
        while self.clock.now() < until:
            self.clock.pass_to(min(until, self.clock.now() + 50 * 60))
            self.look(chain=chain)
        return self.kinds(seq)

    def look(self, *, chain: bool = True) -> None:
        if chain:
            self._watch.hear(self.clock.now() - HOUR)
        self.clock.passed += 2
        self._watch.look()
        for channel in self.works:
            for claim in outbox.claim_some(channel, self.clock.now(), 100):
                with self.database.transaction():
                    outbox.succeeded(claim, self.clock.now())

    def kinds(self, seq: int = 0) -> list[str]:
        return [event.kind for event in journal.read(seq)]

    def check_in(self) -> dict:
        return checked_in(self.config, self.database, "the test", self.clock.now())

    @property
    def open(self) -> list[str]:
        return [alert.severity for alert in alerts.listed("open")]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest")
    with database.connection():
        yield House(tmp_path, database)


def test_silence_goes_through_its_stages_and_a_check_in_ends_it(house):
    assert house.pass_hours(35) == []
    assert house.pass_hours(2) == ["deadman.due"]
    assert house.pass_hours(12) == ["deadman.overdue"]
    assert house.pass_hours(23) == []
    assert house.pass_hours(2) == ["deadman.missed"]
    assert house.open == ["critical"]
    assert house.pass_hours(24) == []
    house.check_in()
    assert house.pass_hours(1) == ["deadman.back"]
    assert house.open == []
    assert house.pass_hours(34) == []
    assert house.pass_hours(2) == ["deadman.due"]


def test_check_ins_in_time_are_never_heard_of(house):
    for _ in range(3):
        house.pass_hours(30)
        house.check_in()
    assert set(house.kinds()) == {"deadman.checked_in"}


def test_an_acknowledgement_is_no_check_in(house):
    house.pass_hours(50)
    schema.Alert.update(state="acknowledged", acknowledged_by="me").execute()
    assert house.pass_hours(24) == ["deadman.missed"]
    assert house.open == ["critical"]


def test_a_tower_that_was_away_warns_at_once_and_leaves_a_day(house):
    house.pass_hours(2)
    house.clock.pass_to(house.clock.now() + 100 * DAY)
    house.start()
    assert house.pass_hours(1) == ["deadman.overdue"]
    assert house.pass_hours(22) == []
    assert house.pass_hours(2) == ["deadman.missed"]


def test_one_that_went_away_after_its_warning_leaves_a_day_as_well_but_not_after_each_restart(house):
    house.pass_hours(50)
    house.clock.pass_to(house.clock.now() + 20 * DAY)
    house.start()
    assert house.pass_hours(12) == []
    house.start()
    assert house.pass_hours(11) == []
    house.start()
    assert house.pass_hours(2) == ["deadman.missed"]


def test_a_warning_of_which_only_the_reminder_reached_somebody_is_followed_by_nothing_until_it_does(house):
    house.pass_hours(40)
    house.works = ["log"]
    assert house.pass_hours(4 * 24) == ["deadman.overdue"]
    house.works = ["phone"]
    house.pass_hours(1)
    assert house.pass_hours(22) == []
    assert house.pass_hours(3) == ["deadman.missed"]


def test_a_clock_ten_years_ahead_tells_nothing_and_is_forgotten_when_it_is_set_right(house):
    house.pass_hours(2)
    right = house.clock.now()
    house.clock.time += 10 * YEAR
    for _ in range(10):
        house.clock.passed += HOUR
        house._watch.look()
    assert house.kinds() == []
    house.check_in()  # by the wrong clock
    house.clock.time = right
    assert house.pass_hours(1) == []
    assert standing_of(house.config.check_in, house.clock.now())["stage"] == "fine"
    assert house.pass_hours(60) == ["deadman.due", "deadman.overdue"]


def test_a_check_in_by_a_clock_that_stands_in_1970_counts(house):
    house.pass_hours(50)
    right, house.clock.time = house.clock.now(), HOUR
    house.check_in()
    house.look(chain=False)
    house.clock.time = right
    house.look()
    assert house.kinds()[-2:] == ["deadman.checked_in", "deadman.back"]
    assert house.pass_hours(34) == []


def test_check_ins_of_one_minute_are_one(house):
    house.look()
    first = house.check_in()
    house.clock.pass_to(NOW + 59)
    assert house.check_in() == first
    house.clock.pass_to(NOW + 60)
    assert house.check_in() != first
    assert house.kinds() == ["deadman.checked_in"] * 2


def test_who_wants_none_any_more_is_left_alone_and_later_begins_anew(house):
    wanted = house.config
    house.pass_hours(50)
    house.config = replace(wanted, check_in=None)
    house.start()
    assert house.pass_hours(5 * 24) == ["deadman.back"]
    with pytest.raises(UsageError, match=r"\[deadman\]"):
        house.check_in()
    house.config = wanted
    house.start()
    assert house.pass_hours(34) == []


def test_before_the_daemon_has_seen_the_setting_nothing_is_due(house):
    assert standing_of(house.config.check_in, NOW) == {
        "last": None,
        "due_at": None,
        "missed_at": None,
        "stage": "fine",
        "overdue": False,
    }
    assert house.check_in()["due_at"] == "2027-01-17T08:00:00Z"


def test_a_check_in_calls_off_what_waits_for_it(house):
    house.pass_hours(50)
    [overdue] = [event for event in journal.read() if event.kind == "deadman.overdue"]
    assert not orders._is_true("checked_in", None, overdue)
    house.check_in()
    assert orders._is_true("checked_in", None, overdue)
