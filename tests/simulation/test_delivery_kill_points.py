"""Killed at every step of a delivery: each alert arrives, and again at most once for each end that nobody knows."""

import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from bwm.daemon.dispatch import ChannelWorker
from bwm.db import answers, outbox
from bwm.db.alerts import Target, listed
from bwm.db.commit import commit
from bwm.errors import DeliverLater, DeliveryUncertain
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes
from bwm.severity import Severity
from bwm.wording import Reader
from tests.simulation.channel import SimChannel, alerts_of
from tests.simulation.mortal import Killed, MortalDatabase, Reaper, VirtualClock

START = 1_800_000_000
PHONE = Target("phone", Severity.INFO)


class Line(SimChannel):
    """A channel that fails as it is told to, once for each word; what is sent after that arrives."""

    script: tuple[str, ...] = ()

    def deliver(self, message) -> None:
        word, self.script = (self.script[0], self.script[1:]) if self.script else ("arrives", ())
        if word == "later":
            self._reaper.point()
            raise DeliverLater("busy")
        if word == "uncertain":
            super().deliver(message)
            self.sendings[-1].doubtful = True
            raise DeliveryUncertain("cut off")
        super().deliver(message)


class Scene:
    """A database with alerts, a channel, and a worker that may die and come again."""

    def __init__(self, folder: Path, severities: list[str], script: tuple[str, ...]) -> None:
        self.clock, self.reaper = VirtualClock(START), Reaper()
        self._file = folder / "bwm.sqlite"
        self._stack = ExitStack()
        self.line = Line("phone", self.clock, self.reaper, Random(1))
        self.line.script = script
        self.deaths = 0
        self._severities = severities

    @contextmanager
    def open(self, template: Path) -> Iterator[None]:
        """``template``: a database as it is when the alerts are there, made when it is not there yet."""
        if template.exists():
            shutil.copyfile(template, self._file)
            self.start()
        else:
            self.start()
            self._fill()
            self._stack.close()
            shutil.copyfile(self._file, template)
            self.start()
        yield
        self._stack.close()

    def _fill(self) -> None:
        for number, severity in enumerate(self._severities):
            event = Event(fact_key(number), "funds.received", START, "regtest", "because", vault="cold")
            change = AlertChange(f"{number}", event, Severity(severity))
            commit(self.database, Changes(events=(event,), alerts=(change,)), [PHONE], START)

    def start(self) -> None:
        """A new process: what the one before had not committed is gone."""
        self._stack.close()
        self.reaper.revive()
        self.database = MortalDatabase(f"sqlite:///{self._file}", "regtest", self.reaper)
        self._stack.enter_context(self.database.connection())
        with self.database.transaction():
            outbox.lapse(self.clock.now(), all_leases=True)

    def live(self, until: int, rest_s: float = 11) -> None:
        """Deliver what falls due; a death is followed by a new start."""
        worker = self._worker()
        while self.clock.now() < until:
            try:
                busy = worker.turn()
            except Killed:
                self.deaths += 1
                self.start()
                worker = self._worker()
                busy = True
            if not busy:
                self.clock.advance(rest_s)

    def _worker(self) -> ChannelWorker:
        return ChannelWorker(
            self.line, Reader(), self.database, self.clock, lambda name, words: None, PHONE, may_digest=True
        )


SCENES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "one": (["info"], ()),
    "one that is tried again": (["info"], ("later",)),
    "one of which nobody knows": (["info"], ("uncertain",)),
    "two": (["info", "info"], ("later", "uncertain")),
    "a digest": (["info"] * 12, ()),
    "a digest of which nobody knows": (["info"] * 12, ("uncertain",)),
    "a digest and a theft": (["emergency"] + ["warning"] * 11, ("uncertain", "later")),
}


STEPS = {"a digest": 2, "a digest of which nobody knows": 4, "a digest and a theft": 4}
"""Of the scenes with many steps, every so manieth is enough for a look: all in all there are more than 200."""


@pytest.mark.parametrize("name", SCENES)
def test_each_alert_arrives_and_a_second_time_only_where_the_first_is_in_doubt(tmp_path, name):
    kills, step = 0, STEPS.get(name, 1)
    for point in itertools.count(0, step):
        folder = tmp_path / f"{point}"
        folder.mkdir()
        scene = Scene(folder, *SCENES[name])
        with scene.open(tmp_path / "template"):
            scene.reaper.arm(point)
            scene.live(START + 55)
            scene.reaper.is_armed = False
            scene.live(START + 660, rest_s=60)
            ids = {alert.id for alert in listed()}
            check(scene, ids, until=START + 55)
        kills += scene.deaths
        if not scene.deaths:
            break
    assert kills >= 8


def check(scene: Scene, ids: set[str], until: int) -> None:
    arrived: Counter[str] = Counter()
    in_doubt: set[str] = set()
    for sending in scene.line.sendings:
        for alert_id in alerts_of(sending):
            if sending.at < until and arrived[alert_id]:
                assert alert_id in in_doubt, "it was told again though everybody knew that it was told"
                assert sending.message.may_repeat, "it was told again, and does not say so"
            arrived[alert_id] += sending.arrived and sending.at < until
            in_doubt |= {alert_id} if sending.doubtful or scene.deaths else set()
    told = {alert_id for sending in scene.line.sendings if sending.arrived for alert_id in alerts_of(sending)}
    assert told == ids
    doubts = scene.deaths + sum(sending.doubtful for sending in scene.line.sendings)
    assert all(count <= 1 + doubts for count in arrived.values())


@pytest.mark.parametrize("severity", ["info", "emergency"])
def test_killed_in_an_acknowledgement_it_counts_wholly_or_not_at_all(tmp_path, severity):
    for point in itertools.count():
        folder = tmp_path / f"{point}"
        folder.mkdir()
        scene = Scene(folder, [severity], ())
        with scene.open(tmp_path / "template"):
            scene.live(START + 10)
            [alert] = listed()
            scene.reaper.arm(point)
            with suppress(Killed), scene.database.transaction():
                answers.acknowledge(alert.id, "alice", scene.clock.now())
            was_killed = scene.reaper.is_dead
            scene.start()
            [alert] = listed()
            [order] = outbox.of_alert(alert.id)
            is_answered = alert.state == "acknowledged"
            assert is_answered == (alert.acknowledged_by == "alice")
            if severity == "emergency":
                assert is_answered == (order.due_at is None)
        if not was_killed:
            break
    assert point >= 4
