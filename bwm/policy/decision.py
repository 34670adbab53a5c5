"""What a policy decided: the facts it looked at, its reason in words, and the orders that it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bwm.event import Event, fact_key
from bwm.policy.guard import Guard

DECIDED = "policy.decided"

ASK = "plugin"
"""The action that puts a question to a policy's program: no deed, so that no limit of the policy counts it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One order of a decision, beside its alerts: it is carried out from the outbox."""

    step: int  # its place among the policy's steps, from 0
    action: str  # respond, hook, webhook, plugin
    target: str  # the response's name, the hook's program, the webhook's name
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what the action needs besides; never a secret
    guard: Guard | None = None
    delay_s: int = 0  # seconds between the decision and the deed


@dataclass(frozen=True, slots=True)
class Decision:
    """One policy on one event. ``event`` None: a person decided by hand."""

    policy: str
    version: str  # of the policy's text, so that a changed policy is another one
    event: Event | None
    reason: str
    vault: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # what was looked at, as JSON has it
    wishes: tuple[Wish, ...] = ()
    kind: str = DECIDED  # of the event that tells of it

    @property
    def acts(self) -> bool:
        """Whether it ordered a deed."""
        return any(wish.action != ASK for wish in self.wishes)


def telling(decision: Decision, number: int, network: str, now: int) -> Event:
    """The event that says what was decided. ``number``: the decision's own."""
    about = decision.event
    return Event(
        key=fact_key(network, decision.kind, decision.policy, decision.version, about.key if about else number),
        kind=decision.kind,
        at=now,
        network=network,
        reason=decision.reason,
        vault=decision.vault,
        guardian=about.guardian if about else None,
        trigger_kind=about.trigger_kind if about else None,
        trigger_key=about.trigger_key if about else None,
        txid=about.txid if about else None,
        detail={
            "decision": number,
            "policy": decision.policy,
            "version": decision.version,
            "on": about.kind if about else None,
            "event": about.key if about else None,
            "orders": [
                {"step": wish.step, "action": wish.action, "target": wish.target, "due_at": now + wish.delay_s}
                for wish in decision.wishes
            ],
        },
    )
