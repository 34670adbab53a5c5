"""The part of the daemon that tells, with a clock that is moved by hand: from one due time to the next."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bwm.daemon.lanes import Lanes
from bwm.db import outbox
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.event import Event, fact_key
from bwm.order import Retry
from bwm.plan import AlertChange, Changes
from bwm.severity import Severity

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    """Unix seconds of a local time in Berlin, like 2026-03-28 23:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())


class MovedClock:
    """Stands still until it is moved."""

    def __init__(self, now: int) -> None:
        self.time = now
        self.passed = 0.0  # seconds that have really passed

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return self.passed

    def pass_to(self, time: int) -> None:
        self.passed += time - self.time
        self.time = time


class Tellers:
    """Every channel delivers what is due, when it is due. ``told``: each delivery, as channel and time."""

    def __init__(self, database: Database, clock: MovedClock, targets: Iterable[Target]) -> None:
        self.database, self.clock = database, clock
        self.targets = list(targets)
        self.broken: set[str] = set()
        self.told: list[tuple[str, int]] = []
        self.tried: list[tuple[str, int]] = []
        self._lanes = {each.channel: Lanes(each, database, clock, may_digest=True) for each in self.targets}

    def happens(self, kind: str, severity: Severity, case: str, **more: object) -> str:
        """Something to be told; the id of its alert is returned by name of the case."""
        now = self.clock.now()
        event = Event(fact_key(case, kind, now), kind, now, "regtest", "because", vault="cold", txid="ab" * 32)
        change = AlertChange(case, event, severity, **more)  # type: ignore[arg-type]
        commit(self.database, Changes(events=(event,), alerts=(change,)), self.targets, now)
        return case

    def run(self, until: int) -> None:
        """Let time pass, and deliver whenever something is due."""
        while True:
            dues = [outbox.next_due_on(each.channel, self.clock.now()) for each in self.targets]
            soonest = min((due for due in dues if due is not None), default=until + 1)
            if soonest > until:
                break
            self.clock.pass_to(max(soonest, self.clock.now()))
            for target in self.targets:
                self._deliver(target.channel)
        self.clock.pass_to(until)

    def _deliver(self, channel: str) -> None:
        now = self.clock.now()
        for batch in self._lanes[channel].take(1000, 0):
            self.tried.append((channel, now))
            with self.database.transaction():
                for claim in batch:
                    if channel in self.broken:
                        outbox.failed(claim, Retry(now + 300), "no answer", now)
                    else:
                        outbox.succeeded(claim, now)
            if channel not in self.broken:
                self.told.append((channel, now))

    def since(self, begin: int) -> list[tuple[str, timedelta]]:
        """What was told, with the time since ``begin``."""
        return [(channel, timedelta(seconds=when - begin)) for channel, when in self.told]
