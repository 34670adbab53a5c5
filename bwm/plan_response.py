"""What is told of responses: how ready they are, and each step of one that was decided on. Pure."""

from collections.abc import Mapping

from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes
from bwm.response.broadcast import STUCK, Broadcast, State
from bwm.response.readiness import Judgement, Verdict
from bwm.severity import Severity

SEVERITY: Mapping[str, Severity] = {
    # what the operator did
    "response.removed": Severity.WARNING,
    "response.disarmed": Severity.WARNING,
    "response.hold_on": Severity.HIGH,
    "response.hold_off": Severity.INFO,
    # how ready one is
    "response.ready": Severity.INFO,
    "response.unproven": Severity.WARNING,
    "response.weak": Severity.WARNING,
    "response.void": Severity.CRITICAL,
    "response.used": Severity.INFO,
    # one that was decided on
    "response.decided": Severity.HIGH,
    "response.waiting": Severity.HIGH,
    "response.held": Severity.CRITICAL,
    "response.sent": Severity.HIGH,
    "response.raised": Severity.HIGH,
    "response.stuck": Severity.CRITICAL,
    "response.outbid": Severity.CRITICAL,
    "response.evicted": Severity.HIGH,
    "response.refused": Severity.CRITICAL,
    "response.conflicted": Severity.CRITICAL,
    "response.confirmed": Severity.HIGH,
    "response.reorged": Severity.CRITICAL,
    "response.buried": Severity.INFO,
    "response.lost": Severity.EMERGENCY,
    "response.called_off": Severity.INFO,
    "response.not_sent": Severity.CRITICAL,
}
"""Every kind that is told, with its severity. That one was added or armed takes nothing from anybody."""

HELD = frozenset({"hold", "blind", "disarmed", "sealed", "budget", "network"})
"""Causes for which somebody holds a response, where others only wait for the chain."""

_OVER = (State.BURIED, State.CALLED_OFF)
_WITH_BLOCK = (State.CONFIRMED, State.BURIED)


def plan_done(
    kind: str, network: str, now: int, after: int, reason: str, vault: str | None = None, name: str = ""
) -> Changes:
    """What the operator did about a response, or (no name) about all. ``after``: the latest event's number.

    What takes a way out is told: who could do it silently would do it before the theft.
    """
    case = f"response/{name}/{kind.partition('.')[2]}" if name else "response"
    detail = {"response": name, "case": case} if name else {"case": case}
    event = Event(fact_key(network, kind, name, after), kind, now, network, reason, vault=vault, detail=detail)
    severity = SEVERITY.get(kind)
    settled = Severity.HIGH if kind == "response.hold_off" else severity if name else None
    return Changes(events=(event,), alerts=(AlertChange(case, event, severity, settled),) if severity else ())


def plan_judgement(name: str, vault: str, before: Judgement, after: Judgement, network: str, now: int) -> Changes:
    """A change of verdict is told, once; that it is well again settles what was told."""
    if before.verdict is after.verdict:
        return Changes()
    kind = f"response.{after.verdict}"
    detail = {"response": name, "case": f"response/{name}/readiness"}
    reason = f"response {name} is {after.verdict}: {after.reason}"
    event = Event(fact_key(network, kind, name, now), kind, now, network, reason, vault=vault, detail=detail)
    well = after.verdict in (Verdict.READY, Verdict.USED)
    alert = AlertChange(str(detail["case"]), event, SEVERITY[kind], Severity.CRITICAL if well else None)
    was_well = before.verdict in (Verdict.READY, Verdict.UNPROVEN)
    return Changes(events=(event,), alerts=() if was_well and well else (alert,))


def kind_of(before: Broadcast | None, after: Broadcast) -> str:
    """The kind of the event that tells a step of a broadcast."""
    if before is None:
        return "response.decided"
    if after.state is State.WAITING:
        return "response.held" if after.cause in HELD else "response.waiting"
    if after.state is State.EVICTED and before.state is State.CONFIRMED:
        return "response.reorged"
    if after.state is State.SENT and before.state is State.SENT:
        return "response.stuck" if after.cause == STUCK else "response.raised"
    return f"response.{after.state}"


def plan_broadcast(
    before: Broadcast | None,
    after: Broadcast,
    name: str,
    vault: str,
    txid: str | None,
    trigger_txid: str | None,
    fee_sats: int | None,
    network: str,
    now: int,
) -> Changes:
    """One step of a response that was decided on: all of them are one alert. ``txid``: of the step sent last."""
    kind = kind_of(before, after)
    detail = {
        "response": name,
        "step": None if after.position is None else after.position + 1,
        "fee_sats": fee_sats,
        "cause": after.cause,
        "case": f"response/{name}/{after.id}",
    }
    detail |= {"trigger": trigger_txid} if trigger_txid else {}
    detail |= {"by": after.rival} if after.rival else {}
    event = Event(
        key=fact_key(network, "broadcast", after.id, after.revision, kind),
        kind=kind,
        at=now,
        network=network,
        reason=f"response {name}: {after.reason}",
        vault=vault,
        txid=txid,
        block=after.block if after.state in (*_WITH_BLOCK, State.CONFLICTED, State.LOST) else None,
        detail=detail,
    )
    settled = Severity.CRITICAL if after.state in _OVER else None
    alert = AlertChange(str(detail["case"]), event, SEVERITY[kind], settled)
    return Changes(events=(event,), alerts=(alert,))


def plan_dropped(
    order: int, name: str, vault: str | None, words: str, network: str, now: int, *, is_wanted: bool
) -> Changes:
    """An order that is not carried out: nothing was sent, and nothing will be.

    ``is_wanted``: somebody, or its guard, would have it so. Else people may rely on what will not come.
    """
    kind = "response.called_off" if is_wanted else "response.not_sent"
    detail = {"response": name, "case": f"response/{name}/order/{order}"}
    event = Event(fact_key(network, kind, "order", order), kind, now, network, words, vault=vault, detail=detail)
    settled = Severity.INFO if is_wanted else None
    return Changes(events=(event,), alerts=(AlertChange(str(detail["case"]), event, SEVERITY[kind], settled),))
