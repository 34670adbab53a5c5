"""Answers: what a code proves, what a guess does, what was not read stays told, and what a forced answer looks like."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.answer import code, opens, sealed, tidy
from bwm.config import Config
from bwm.config_alerts import AlertsConfig
from bwm.config_channels import ChannelConfig
from bwm.daemon.answering import Answering, CodeRefused, answer_key
from bwm.daemon.targets import targets_of
from bwm.db import alerts, answers, journal, outbox, schema
from bwm.db.answers import GUESSES, GUESSES_OF_TOKENS, GUESSES_SPAN_S, Outcome
from bwm.db.database import Database
from bwm.errors import UsageError
from bwm.secret import Secret
from bwm.severity import Severity
from tests.unit.tellers import MovedClock, Tellers

NOW = 1_800_000_000
WORD = "blue-tractor"
SEAL = Secret(sealed(WORD, bytes(16)))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    channels = tuple(
        ChannelConfig(name, "file", path=tmp_path / name, people=people)
        for name, people in (("phone", ("owner",)), ("sister", ("family",)), ("office", ("lawyer",)))
    )
    settings = AlertsConfig(duress={"owner": SEAL})
    return Config("regtest", tmp_path, f"sqlite:///{tmp_path}/bwm.sqlite", channels=channels, alerts=settings)


@pytest.fixture
def house(config) -> Iterator[Tellers]:
    database = Database(config.database_url, "regtest")
    with database.connection():
        tellers = Tellers(database, MovedClock(NOW), targets_of(config))
        tellers.happens("trigger.seen", Severity.EMERGENCY, "theft")
        tellers.run(NOW)
        yield tellers


@pytest.fixture
def answering(config, house) -> Answering:
    return Answering(config, house.database, house.clock)


def the_alert(case: str = "theft") -> schema.Alert:
    return schema.Alert.get(schema.Alert.case == case)


def code_on(config: Config, channel: str = "phone", revision: int = 0, turn: int = 0) -> str:
    return code(answer_key(config.state_dir), the_alert().id, channel, turn, revision)


def kinds() -> list[str]:
    return [event.kind for event in journal.read()]


def due() -> list[int | None]:
    return [order.due_at for order in outbox.of_alert(the_alert().id)]


def test_a_code_stops_every_repeat_at_once_and_says_who_read_it_where(config, answering):
    assert answering.answer(code_on(config), "somebody").outcome is Outcome.DONE
    assert due() == [None, None, None]
    assert the_alert().acknowledged_by == "owner by phone"
    [event] = journal.read(kind="alert.acknowledged")
    assert (event.vault, event.detail["alert"], event.detail["channel"]) == ("cold", the_alert().id, "phone")


def test_a_code_may_be_typed_as_people_type(config, answering):
    assert answering.by_code(f"  {code_on(config).replace('-', ' ').upper()} ").outcome is Outcome.DONE


@given(st.text())
def test_whatever_is_typed_is_a_code_or_none(text):
    tidied = tidy(text)
    assert tidied is None or tidy(tidied) == tidied


def test_a_code_of_another_key_alert_channel_turn_or_revision_is_another(config, house):
    key, alert = answer_key(config.state_dir), the_alert().id
    of = [(key, alert, "phone", 0, 0), (bytes(32), alert, "phone", 0, 0), (key, "other", "phone", 0, 0)]
    of += [(key, alert, "sister", 0, 0), (key, alert, "phone", 1, 0), (key, alert, "phone", 0, 1)]
    assert len({code(*each) for each in of}) == len(of)


def test_the_key_is_for_its_owner_only_and_stays(config, tmp_path):
    key = answer_key(tmp_path)
    assert key == answer_key(tmp_path)
    assert len(key) == 32
    assert stat.S_IMODE((tmp_path / "answer.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["answer.key"]


def test_a_guess_changes_nothing_and_is_written_down_and_told(config, house, answering):
    with pytest.raises(CodeRefused):
        answering.answer("aaaa-2222", "mallory")
    assert the_alert().state == "open"
    [event] = journal.read(kind="alert.code_refused")
    assert "aaaa" not in event.reason
    house.run(NOW)
    [told] = [alert for alert in alerts.listed() if alert.case.startswith("bwm/codes")]
    assert {order.state for order in outbox.of_alert(told.id)} == {"done"}


def test_after_ten_guesses_even_the_right_code_is_not_looked_at_for_a_while(config, house, answering):
    for number in range(GUESSES + 3):
        with pytest.raises(CodeRefused):
            answering.by_code(code(bytes(32), "guess", "phone", 0, number))
    assert len(journal.read(kind="alert.code_refused")) == GUESSES
    with pytest.raises(CodeRefused, match="Too many"):
        answering.by_code(code_on(config))
    assert [alert.severity for alert in alerts.listed() if "codes" in alert.case] == ["high"]
    house.clock.pass_to(NOW + GUESSES_SPAN_S)
    assert answering.by_code(code_on(config)).outcome is Outcome.DONE


def guess(answering, times):
    for number in range(times):
        with pytest.raises(CodeRefused):
            answering.by_code(code(bytes(32), "guess", "phone", 0, number))


def by_tokens(config, house, *tokens):
    """Who comes with each of these; without duress codes, which take a while to compare."""
    plain = replace(config, alerts=AlertsConfig())
    return [Answering(plain, house.database, house.clock, token=token) for token in tokens]


def test_x18_guesses_by_one_token_keep_nobody_else_from_answering(config, house, answering):
    thief, owner = by_tokens(config, house, "stolen", "phone")
    guess(owner, 1)
    guess(thief, GUESSES + 3)
    assert [event.detail["token"] for event in journal.read(kind="alert.code_refused")] == [
        "phone",
        *["stolen"] * GUESSES,
    ]
    with pytest.raises(CodeRefused, match="Too many"):
        thief.by_code(code_on(config))
    assert owner.by_code(code_on(config)).outcome is Outcome.DONE
    assert answering.by_code(code_on(config, "sister")).outcome is Outcome.ALREADY
    house.clock.pass_to(NOW + GUESSES_SPAN_S)
    assert thief.by_code(code_on(config)).outcome is Outcome.ALREADY


def test_x18_many_tokens_guess_no_more_than_so_much_and_lock_out_nobody_who_types_rightly(config, house):
    *thieves, owner, machine = by_tokens(config, house, *(f"stolen-{number}" for number in range(8)), "owner", None)
    for thief in thieves:
        guess(thief, GUESSES)
    refused = [event.detail["token"] for event in journal.read(kind="alert.code_refused")]
    assert len(refused) == GUESSES_OF_TOKENS + 3  # each of those who came later was heard once
    assert owner.by_code(code_on(config)).outcome is Outcome.DONE
    guess(machine, GUESSES)
    assert len(journal.read(kind="alert.code_refused")) == len(refused) + GUESSES


def test_who_sits_at_the_machine_may_still_answer_by_id(answering):
    for number in range(GUESSES):
        with pytest.raises(CodeRefused):
            answering.by_code(code(bytes(32), "guess", "phone", 0, number))
    assert answering.answer(the_alert().id, "owner").outcome is Outcome.DONE


def test_a_code_that_is_used_again_changes_nothing_and_is_written_down(config, answering):
    answering.by_code(code_on(config), "alice")
    assert answering.by_code(code_on(config, "sister"), "mallory").outcome is Outcome.ALREADY
    assert the_alert().acknowledged_by == "alice"
    assert kinds().count("alert.code_refused") == 1


def test_a_code_of_before_an_answer_was_taken_back_is_void(config, house, answering):
    answering.by_code(code_on(config))
    answers.unacknowledge(the_alert().id, "alice", NOW)
    with pytest.raises(CodeRefused):
        answering.by_code(code_on(config))
    assert the_alert().state == "open"
    assert answering.by_code(code_on(config, turn=1)).outcome is Outcome.DONE


def test_news_that_nobody_can_have_read_is_told_although_somebody_answers(config, house, answering):
    house.happens("trigger.confirmed", Severity.EMERGENCY, "theft")
    assert answering.answer(the_alert().id, "owner").outcome is Outcome.DONE
    house.told.clear()
    house.run(NOW + 86400)
    assert sorted(house.told) == [("office", NOW), ("phone", NOW), ("sister", NOW)]


def test_a_code_closes_what_its_own_message_told_and_no_more(config, house, answering):
    house.happens("trigger.confirmed", Severity.EMERGENCY, "theft")
    house.run(NOW)
    answering.by_code(code_on(config, revision=0))
    house.happens("trigger.final", Severity.EMERGENCY, "theft")
    house.told.clear()
    house.run(NOW + 86400)
    assert len(house.told) == 3


def test_what_has_become_graver_than_what_was_read_stays_open(config, house, answering):
    house.happens("funds.received", Severity.INFO, "coins")
    house.run(NOW)
    house.happens("trigger.seen", Severity.EMERGENCY, "coins")
    alert = the_alert("coins")
    assert answering.by_id(alert.id, "owner").outcome is Outcome.GRAVER
    assert the_alert("coins").state == "open"
    assert answering.by_id(alert.id, "owner", revision=1).outcome is Outcome.DONE


def test_what_is_neither_an_id_nor_a_code_is_a_mistake_and_not_a_guess(answering):
    with pytest.raises(UsageError):
        answering.answer("what?", "owner")
    assert "alert.code_refused" not in kinds()


def test_a_duress_code_looks_like_an_answer_and_tells_the_others(config, house, answering):
    house.told.clear()
    answered = answering.answer("Blue Tractor", "owner")
    assert (answered.alert_id, answered.outcome) == (the_alert().id, Outcome.DONE)
    assert the_alert().state == "acknowledged"

    house.run(NOW + 3600)

    assert "phone" not in {channel for channel, _ in house.told}
    emergencies = [alert for alert in alerts.listed() if "duress" in alert.case]
    assert {order.target for order in outbox.of_alert(emergencies[0].id)} == {"sister", "office"}
    repeats = [order for order in outbox.of_alert(the_alert().id) if order.due_at is not None]
    assert {order.target for order in repeats} == {"sister", "office"}


def test_nothing_that_a_robber_sees_tells_of_the_duress_code_until_another_answers(config, house, answering):
    answering.answer(WORD, "owner")
    shown = [alert.case for alert in alerts.listed(hidden=False)]
    assert shown == ["theft"]
    assert "alert.duress" not in kinds()
    assert alerts.count_open() == 0
    [secret] = [alert for alert in alerts.listed() if "duress" in alert.case]
    answers.acknowledge(secret.id, "family", NOW)
    assert "alert.duress" in kinds()


def test_a_forced_answer_does_not_count_as_one_for_what_depends_on_it(config, house, answering):
    answering.answer(WORD, "owner")
    assert not the_alert().is_answered
    assert answering.by_code(code_on(config, "sister")).outcome is Outcome.DONE
    assert the_alert().is_answered
    assert due() == [None, None, None]


def test_a_forced_answer_lasts_through_a_restart_of_the_daemon(config, house, answering):
    answering.answer(WORD, "owner")
    alerts.order_missing(targets_of(config), NOW)
    house.told.clear()
    house.run(NOW + 60)
    assert "phone" not in {channel for channel, _ in house.told}


def test_a_duress_code_is_recognised_and_not_readable(config):
    assert WORD not in repr(config)
    assert opens("BLUE tractor", SEAL.reveal())
    assert not opens("red-tractor", SEAL.reveal())
    with pytest.raises(ValueError, match="md5"):
        opens(WORD, "md5:00:00")
