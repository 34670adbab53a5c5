"""What the tests of orders share: a database with policies, and who carries them out on a clock that is set by hand."""

import json
from typing import Any

from bwm.chain.block import BlockRef
from bwm.clock import SystemClock
from bwm.daemon.deeds import DeedWorker
from bwm.daemon.policy_desk import PolicyDesk
from bwm.db import schema
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes, CursorMove
from bwm.policy.rule import DeedStep, Policy
from bwm.severity import Severity
from bwm.watch.sighting import Sighting, Status
from bwm.watch.watch import Family, Trigger

COIN = f"{'11' * 32}:0"
THEFT = Event(
    fact_key("theft"), "trigger.seen", 1000, "regtest", "spends", "cold; $(reboot)\n--flag", None, "outpoint", COIN,
    "ab" * 32, sats=500,
)  # fmt: skip
TARGET = Target("phone", Severity.INFO)


class FixedClock(SystemClock):
    """Stands still until it is set."""

    at = 1_700_000_000
    wrong_by = 0  # seconds, of the clock on the wall alone

    def now(self) -> int:
        return self.at + self.wrong_by

    def monotonic(self) -> float:
        return float(self.at)


class House:
    """A database, policies and the worker of their deeds."""

    def __init__(
        self, database: Database, clock: FixedClock, *policies: Policy, webhooks: tuple[Any, ...] = ()
    ) -> None:
        self.clock = clock
        self.database = database
        self.webhooks = webhooks
        self.height = 100
        self.start(*policies)

    def start(self, *policies: Policy) -> None:
        """A daemon that begins, with these policies."""
        self.desk = PolicyDesk(policies, "regtest")
        self.worker = DeedWorker(self.database, self.clock, self.desk, [TARGET], self.webhooks, lambda: None)

    def tell(self, event: Event = THEFT) -> None:
        changes = Changes((event,), alerts=(AlertChange("theft", event, Severity.EMERGENCY),))
        self._write(changes)

    def _write(self, changes: Changes) -> None:
        now = self.clock.now()
        commit(self.database, self.desk.judge(changes, now), [TARGET], now)

    def block(self, *moves: tuple[Status, int], salt: str = "") -> None:
        """A block in which spends of coins, by their numbers, got so far; then whatever is due is done."""
        self.height += 1
        block = BlockRef(self.height, fact_key("block", self.height, salt))
        sightings = [self._sighting(status, number) for status, number in moves]
        events = [
            Event(
                fact_key(one.status, number, self.height), f"trigger.{one.status}", self.clock.now(), "regtest", "",
                one.trigger.vault, None, "outpoint", one.trigger.key, one.txid, sats=one.sats,
            )
            for one, (_, number) in zip(sightings, moves, strict=True)
        ]  # fmt: skip
        self._write(Changes(tuple(events), tuple(sightings), cursor=CursorMove(block)))
        self.work(2, 10)

    def _sighting(self, status: Status, number: int) -> Sighting:
        key, name = coin(number), f"v{number}"
        vault, _ = schema.Vault.get_or_create(
            name=name, defaults={"severity": "emergency", "final_depth": 6, "created_at": 0}
        )
        row, _ = schema.Trigger.get_or_create(vault=vault.id, kind="outpoint", key=key, defaults={"created_at": 0})
        trigger = Trigger(row.id, "outpoint", key, name)
        return Sighting(trigger, f"{number:064}", Family.TRIGGER, status, 500, "", self.clock.now())

    def work(self, rounds: int = 12, step_s: int = 400) -> None:
        """Until nothing is due, with so much time between two looks."""
        for _ in range(rounds):
            while self.worker.turn():
                pass
            self.clock.at += step_s

    def kinds(self) -> list[str]:
        return [row.kind for row in schema.Event.select().order_by(schema.Event.seq)]

    def answers(self) -> list[tuple[str, bool]]:
        """What programs said, of which vault, in order."""
        rows: Any = schema.Event.select().where(schema.Event.kind == "plugin.answered").order_by(schema.Event.seq)
        return [(row.vault, json.loads(row.detail)["revault"]) for row in rows]

    def respond_orders(self) -> int:
        return int(schema.Order.select().where(schema.Order.action == "respond").count())

    def saved(self) -> list[str]:
        """The vaults for which a response was ordered."""
        rows: Any = schema.Order.select(schema.Order, schema.Decision).join(schema.Decision)
        return [row.decision.vault for row in rows.where(schema.Order.action == "respond").order_by(schema.Order.id)]

    def theft_is_told(self) -> bool:
        alert: Any = schema.Alert.get(schema.Alert.case == "theft")
        return (alert.severity, alert.state) == ("emergency", "open")


def coin(number: int) -> str:
    """An outpoint."""
    return f"{number:064x}:0"


def policy(*steps: Any, when: Any = None, **fields: Any) -> Policy:
    return Policy("rule", fields.pop("version", "1"), ("trigger.*",), when, steps, **fields)


def hook(path: str, *arguments: str, **fields: Any) -> DeedStep:
    return DeedStep("hook", path, {"argv": [path, *arguments], "timeout_s": 2}, **fields)
