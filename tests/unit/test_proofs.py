"""A channel that has shown for long nothing to prove that it works is said to everybody, also by doctor and status."""

from pathlib import Path

import pytest

from bwm.cli import checks
from bwm.config import Config
from bwm.config_channels import ChannelConfig
from bwm.daemon.watch_health import HealthWatch
from bwm.daemon.watch_proofs import ProofWatch, is_unproved, note_proof
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import alerts, channel_outcomes
from bwm.db.alerts import Target
from bwm.severity import Severity
from tests.unit.tellers import MovedClock

NOW = 1_800_000_000
DAY = 86_400


@pytest.fixture
def config(tmp_path: Path) -> Config:
    channels = tuple(ChannelConfig(name, "file", path=tmp_path / name) for name in ("phone", "mail"))
    return Config("regtest", tmp_path, f"sqlite:///{tmp_path}/bwm.sqlite", channels=channels)


def test_a_new_channel_has_a_month_to_show_that_it_works_and_then_the_others_hear_of_it(database, config):
    clock = MovedClock(NOW)
    targets = [Target(channel.name, Severity.INFO) for channel in config.channels]
    writer = Writer(database, WatchList(), targets, clock, 6, lambda: None, lambda told: None)
    health = HealthWatch(database, writer, clock, ["unproved/phone", "unproved/mail"])
    proofs = ProofWatch(config, clock, health, lambda channel: None)

    def pass_days(days: int) -> list[str]:
        clock.pass_to(clock.now() + days * DAY)
        proofs.look()
        health.look()
        return sorted(alert.case.split("/")[2] for alert in alerts.listed("open") if "unproved" in alert.case)

    assert pass_days(0) == []
    assert pass_days(29) == []
    note_proof("mail", clock.now())
    assert pass_days(2) == ["phone"]
    assert [check.name for check in checks.deliveries(config, clock.now())] == ["channel phone"]
    note_proof("phone", clock.now())
    assert pass_days(1) == []
    assert pass_days(27) == []
    assert pass_days(1) == ["mail"]


def test_a_test_that_the_receiver_took_ends_the_trouble_of_a_channel(database, config):
    writer = Writer(database, WatchList(), [], MovedClock(NOW), 6, lambda: None, lambda told: None)
    health = HealthWatch(database, writer, MovedClock(NOW), [])
    working: list[str] = []
    channel_outcomes.note("phone", "no such number")
    ProofWatch(config, MovedClock(NOW), health, working.append).look()
    assert working == ["mail"]
    note_proof("phone", NOW)
    ProofWatch(config, MovedClock(NOW), health, working.append).look()
    assert working == ["mail", "phone", "mail"]


def test_a_clock_that_was_set_back_makes_no_channel_unproved(database, config):
    note_proof("phone", NOW)
    assert not is_unproved("phone", 30 * DAY, NOW - 365 * DAY)
