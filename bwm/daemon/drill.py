"""Drills: a theft that did not happen goes the whole way, through the matcher, the policies and the channels."""

import json
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bwm import drill
from bwm.actions import plugin
from bwm.actions.program import Program, refuse_unsafe, run
from bwm.chain.network import network as network_of
from bwm.clock import Clock, rfc3339
from bwm.config import Config
from bwm.daemon.connect import connect
from bwm.daemon.finder import Finder
from bwm.daemon.policy_desk import PolicyDesk
from bwm.daemon.status import status
from bwm.daemon.targets import targets_of
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import alerts, journal, outbox, responses, schema, settings, watches
from bwm.db import vaults as vault_table
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import BwmError, DatabaseUnwritable
from bwm.plan import Changes, plan_mempool
from bwm.response.readiness import Verdict
from bwm.watch.pool import TxPool
from bwm.watch.watch import Watch, What

log = structlog.get_logger()

_HELD_AT = "drill_held_at"
_LOOK_EVERY_S = 30.0
_PLUGIN_S = 10

OK, BROKEN, WAITS = "ok", "broken", "waits"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The parts of bwm that a drill goes through before anything is told."""

    finder: Finder
    writer: Writer
    judge: Callable[[Changes, int], Changes]  # the policies
    look: Callable[[Mapping[str, Any]], str | None]  # what is wrong with an order of theirs


def rehearsal(config: Config, database: Database, clock: Clock) -> Rehearsal:
    """The same parts as the daemon's own, made from the same database."""
    watch_list = WatchList()
    watch_list.refresh()
    finder = Finder(watch_list, connect(config), network_of(config.network), config.gap_limit)
    writer = Writer(
        database, watch_list, targets_of(config), clock, config.final_depth, lambda: None, lambda alerts: None
    )
    return Rehearsal(
        finder,
        writer,
        PolicyDesk(config.policies, config.network).judge,
        lambda wish: trouble_of(config, wish) or _answers(wish),
    )


def trouble_of(config: Config, wish: Mapping[str, Any]) -> str | None:
    """What would keep an order of a policy from being carried out, as far as a look can tell; None: nothing."""
    target = str(wish["target"])
    match wish["action"]:
        case "hook" | "plugin":
            try:
                refuse_unsafe(target)
            except BwmError as error:
                return str(error)
        case "webhook" if all(one.name != target for one in config.webhooks):
            return "there is no [[webhook]] of this name in the configuration"
        case "respond" if all(target not in (one.name, one.name.rpartition("/")[2]) for one in responses.every()):
            return "there is no response of this name"
    return None


def _answers(wish: Mapping[str, Any]) -> str | None:
    """Asks a plug-in about a block in which nothing happened, as it is asked of every block."""
    if wish["action"] != plugin.NAME:
        return None
    info: dict[str, list[object]] = {"new_attempts": [], "successful_attempts": [], "revaulted_attempts": []}
    asked = {"method": "new_block", "block_height": 0, "blockheight": 0, "config": None, "block_info": info}
    try:
        said = run(Program([str(wish["target"])], _PLUGIN_S), (json.dumps(asked) + "\n").encode(), {})
        json.loads(said)
    except (BwmError, ValueError, RecursionError) as error:
        return f"it does not answer: {error}"
    return None


def hold(config: Config, database: Database, clock: Clock, parts: Rehearsal, vault: str | None) -> str:
    """Hold a drill; the id of its alert. Raises BwmError, which says what is broken, when nobody would be told."""
    watch = _target_of(vault)
    began, now = clock.monotonic(), clock.now()
    pool = TxPool(drill.theft(watch, secrets.token_bytes(32)))
    finding = parts.finder.find(pool)
    matched = clock.monotonic()
    changes = parts.judge(plan_mempool(finding.found, parts.writer.facts((), finding), now), now)
    number = secrets.token_hex(4)
    name = watch.trigger.vault or ""
    exercise = drill.marked(changes, name, number, now)
    if exercise is None:
        raise BwmError(
            f"A theft from vault {name} would be told to nobody: the matcher found {len(finding.found)} transactions, "
            f"and the policies asked for no alert. Check them: bwm show-vault {name}"
        )
    would = [{**wish, "trouble": parts.look(wish)} for wish in exercise.would]
    notes = {
        "would": would,
        "channels": [channel.name for channel in config.channels],
        "matched_s": round(matched - began, 3),
        "decided_s": round(clock.monotonic() - matched, 3),
    }
    with database.transaction():
        settings.write(_HELD_AT, str(now))
        commit(database, _noted(exercise.changes, notes), targets_of(config), now)
    return str(schema.Alert.get(schema.Alert.case == f"drill/{number}/0").id)


def _noted(changes: Changes, notes: Mapping[str, object]) -> Changes:
    """The same, with how the stages went that are over, and for whom."""
    [event] = changes.events
    event = replace(event, detail={**event.detail, **notes})
    return replace(changes, events=(event,), alerts=tuple(replace(change, event=event) for change in changes.alerts))


def _target_of(vault: str | None) -> Watch:
    """What is stolen in the drill: a coin where there is one. Raises UsageError for a vault that is not there."""
    rows = [vault_table.find(vault)] if vault else schema.Vault.select().order_by(schema.Vault.id)
    names = [row.name for row in rows]
    for what in (What.COIN, What.SCRIPT):
        for name in names:
            if watch := watches.any_of_vault(name, what):
                return watch
    about = f"Vault {vault} watches" if vault else "There is no vault, or all watch"
    raise BwmError(f"{about} only transactions of unknown coins: nothing can be played. Watch its coins: --outpoint")


def report(config: Config, alert_id: str, now: int) -> dict[str, Any]:
    """How a drill went so far, stage by stage. Times are seconds after it began."""
    alert: Any = schema.Alert.get_by_id(alert_id)
    event: Any = schema.Event.get_by_id(alert.event_id)
    detail = json.loads(event.detail)
    stages = [
        *_house(config, now),
        _stage("match", OK, "the matcher found it", detail["matched_s"]),
        _stage("decide", OK, f"it is told as {alert.severity}", detail["decided_s"]),
        *_told(config, alert, detail["channels"]),
        *_would(detail["would"]),
        *_responses(event.vault),
        _answer(alert),
    ]
    return {
        "drill": detail["drill"],
        "alert": alert.id,
        "vault": event.vault,
        "held_at": rfc3339(alert.created_at),
        "stages": stages,
        "broken": [f"{stage['stage']}: {stage['words']}" for stage in stages if stage["verdict"] == BROKEN],
    }


def _stage(name: str, verdict: str, words: str, seconds: float | None = None) -> dict[str, Any]:
    return {"stage": name, "verdict": verdict, "words": words, "seconds": seconds}


def _house(config: Config, now: int) -> Iterator[dict[str, Any]]:
    facts = status(config, now)
    yield _stage("daemon", OK, "it runs") if facts["running"] else _stage("daemon", BROKEN, "it does not run")
    for gap in facts["not_covered"] if facts["running"] else ():
        yield _stage("watch", BROKEN, gap)


def _told(config: Config, alert: Any, known: Collection[str]) -> Iterator[dict[str, Any]]:
    orders = {order.target: order for order in outbox.of_alert(alert.id)}
    for channel in config.channels:
        name, order = f"channel {channel.name}", orders.get(channel.name)
        if order is None and channel.name not in known:
            yield _stage(name, WAITS, "was added after this drill: hold another")
        elif order is None:
            yield _stage(name, OK, "is not told of this vault's thefts")
        elif order.done_at is not None:
            words = "delivered" + (f" at attempt {order.attempts}" if order.attempts > 1 else "")
            yield _stage(name, OK, words, order.done_at - alert.created_at)
        elif order.last_error:
            yield _stage(name, BROKEN, order.last_error.removeprefix(name).lstrip(": "))
        elif order.rung:
            yield _stage(name, WAITS, f"is told {order.after_s // 60} minutes after, unless somebody answers")
        elif order.state == "closed":
            yield _stage(name, BROKEN, "was not told before the drill was over")
        else:
            yield _stage(name, BROKEN, "nothing was sent yet")


def _would(wishes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for wish in wishes:
        after = f" {wish['delay_s']} seconds later" if wish["delay_s"] else ""
        name, trouble = f"{wish['action']} {wish['target']}", wish["trouble"]
        yield _stage(name, BROKEN if trouble else OK, trouble or f"would be carried out{after}, and is not in a drill")


def _responses(vault: str) -> Iterator[dict[str, Any]]:
    """What was signed in advance for the vault: whether it would work is checked every day."""
    for response in responses.of_vault(vault):
        judged = response.judgement
        verdict = {Verdict.VOID: BROKEN, Verdict.WEAK: BROKEN, Verdict.UNPROVEN: WAITS}.get(judged.verdict, OK)
        yield _stage(f"response {response.name}", verdict, f"{judged.verdict}: {judged.reason}")


def _answer(alert: Any) -> dict[str, Any]:
    if alert.state == alerts.ACKNOWLEDGED:
        words = f"by {alert.acknowledged_by}"
        return _stage("acknowledgement", OK, words, alert.acknowledged_at - alert.created_at)
    if alert.state == alerts.RESOLVED:
        return _stage("acknowledgement", BROKEN, "nobody acknowledged in time")
    return _stage("acknowledgement", WAITS, "nobody has acknowledged yet")


def is_over(alert_id: str) -> bool:
    """Whether nothing of the report changes any more but by further repeats."""
    return bool(schema.Alert.get_by_id(alert_id).state != alerts.OPEN)


def all_tried(alert_id: str) -> bool:
    """Whether every channel that hears it first was told, or was tried."""
    return all(order.done_at or order.last_error or order.rung for order in outbox.of_alert(alert_id))


def latest() -> str | None:
    """The id of the latest drill's alert."""
    table = schema.Alert
    row = table.select().join(schema.Event, on=(table.event == schema.Event.seq)).where(schema.Event.kind == drill.SEEN)
    found: Any = row.order_by(table.created_at.desc()).first()
    return None if found is None else str(found.id)


class DrillWatch:
    """Holds drills when they are due, and says when nobody answered one. Driven by the loop that writes."""

    def __init__(self, config: Config, database: Database, clock: Clock, parts: Rehearsal) -> None:
        self._config = config
        self._database = database
        self._clock = clock
        self._parts = parts
        self._due = 0.0  # on the monotonic clock

    def look(self) -> None:
        """Every half minute: is one due, was one missed? Raises DatabaseUnwritable."""
        if self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + _LOOK_EVERY_S
        self._tell_missed()
        every_s, now = self._config.drill.every_s, self._clock.now()
        if every_s is None:
            return
        held_at = int(settings.read(_HELD_AT) or 0)
        if not 0 < held_at <= now:  # the first is held a whole time after it was asked for
            settings.write(_HELD_AT, str(now))
        elif now - held_at >= every_s:
            self._hold(now)

    def _hold(self, now: int) -> None:
        try:
            alert_id = hold(self._config, self._database, self._clock, self._parts, self._config.drill.vault)
        except DatabaseUnwritable:
            raise
        except BwmError as error:
            log.warning("drill.not_held", error=str(error))
            settings.write(_HELD_AT, str(now))
            self._parts.writer.write(drill.failed(str(error), self._config.network, now))
        else:
            log.info("drill.held", alert=alert_id)

    def _tell_missed(self) -> None:
        now, within_s = self._clock.now(), self._config.drill.answer_within_s
        for alert in alerts.open_drills():
            if now - alert.created_at < within_s:
                continue
            about = drill.missed(journal.get(alert.event_id), alert.id, within_s, now)
            with self._database.transaction():
                alerts.resolve(alert.id)
                self._parts.writer.write(about)
