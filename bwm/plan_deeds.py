"""What came of a hook, a webhook or a plug-in becomes an event, and an alert where somebody must act. Pure."""

from collections.abc import Mapping
from typing import Any, Protocol

from bwm.chain.block import BlockRef
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes, case_of
from bwm.severity import Severity


class Done(Protocol):
    """An order that is over."""

    @property
    def order_id(self) -> int: ...

    @property
    def action(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def decision_id(self) -> int: ...

    @property
    def policy(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def event(self) -> Event | None: ...


KINDS: Mapping[tuple[str, str], str] = {
    ("hook", "done"): "hook.done",
    ("hook", "failed"): "hook.failed",
    ("hook", "dropped"): "hook.dropped",
    ("webhook", "done"): "webhook.done",
    ("webhook", "failed"): "webhook.failed",
    ("webhook", "dropped"): "webhook.dropped",
    ("plugin", "done"): "plugin.answered",
    ("plugin", "failed"): "plugin.failed",
    ("plugin", "dropped"): "plugin.failed",
}
"""The kind of the event that says how an order of an action ended."""


def plan_deed(
    order: Done,
    how: str,
    words: str,
    detail: Mapping[str, Any],
    network: str,
    now: int,
    later: BlockRef | None = None,
) -> Changes:
    """``how``: done, failed or dropped; ``words``: why, where it is not done. A failure is told, the rest journaled.

    ``later``: the block at which a program was asked that now says what it did not say when the order was carried out.
    """
    about = order.event
    kind = KINDS[order.action, how]
    event = Event(
        key=fact_key(network, kind, order.order_id, *([later.hash] if later else [])),
        kind=kind,
        at=now,
        network=network,
        reason=_reason(order, how, words, detail),
        vault=about.vault if about else None,
        guardian=about.guardian if about else None,
        trigger_kind=about.trigger_kind if about else None,
        trigger_key=about.trigger_key if about else None,
        txid=about.txid if about else None,
        block=about.block if about else None,
        sats=about.sats if about else None,
        detail={
            **_kept(about),
            "policy": order.policy,
            "version": order.version,
            "decision": order.decision_id,
            "order": order.order_id,
            "on": about.kind if about else None,
            **detail,
        },
    )
    alerts = (AlertChange(case_of(event), event, Severity.HIGH),) if how == "failed" else ()
    return Changes(events=(event,), alerts=alerts)


def plan_silent_plugin(
    policy: str, version: str, program: str, words: str, block: BlockRef, network: str, now: int
) -> Changes:
    """A program was asked at a block in which nothing of its policy's happened, and did not answer. No policy acts on
    that: what the program said before of spends that it knows still holds."""
    event = Event(
        key=fact_key(network, KINDS["plugin", "failed"], policy, version, block.hash),
        kind=KINDS["plugin", "failed"],
        at=now,
        network=network,
        reason=f"plugin {program} of policy {policy!r} failed when it was asked at block {block.height}: {words}. "
        "It is asked again at every block",
        block=block,
        detail={"program": program, "case": f"plugin/{policy}"},
    )
    return Changes(events=(event,), alerts=(AlertChange(case_of(event), event, Severity.HIGH),))


def _kept(about: Event | None) -> dict[str, Any]:
    """What the event was about, for conditions on what came of it, and for which alert it belongs to."""
    return (
        {name: about.detail[name] for name in ("guardian", "announced", "case") if name in about.detail}
        if about
        else {}
    )


def _reason(order: Done, how: str, words: str, detail: Mapping[str, Any]) -> str:
    name = f"{order.action} {order.target} of policy {order.policy!r}"
    if how != "done":
        return f"{name} {'failed' if how == 'failed' else 'was called off'}: {words}"
    if order.action != "plugin":
        return f"{name} is done"
    verdict = "asks to save the vault" if detail.get("revault") else "lets it pass"
    unknown = detail.get("unknown")
    return f"{name} {verdict}" + (f"; it also named {len(unknown)} coins that nobody attacks" if unknown else "")
