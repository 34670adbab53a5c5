"""Payments that come by the thousand: a popular address, or somebody who pays to be a nuisance. Pure.

Anybody can pay a watched script as often as he likes, and one block holds thousands of payments. So many an hour are
journaled and told one by one; the others are counted. Their coins are watched all the same, and no spend is passed
over.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from bwm.watch.sighting import Place
from bwm.watch.watch import Family, Match, Trigger

PAYMENTS_AN_HOUR = 100
"""Of one trigger, before its other payments of the hour are only counted."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Payments to one trigger that are not journaled."""

    trigger: Trigger
    payments: int = 0
    sats: int = 0


def without_crowds(
    matches: Iterable[Match], lately: Mapping[int, int], known: Container[Place]
) -> tuple[list[Match], list[Crowd]]:
    """The matches that get a sighting, and what is counted of the others.

    ``lately``: payments that were journaled within the last hour, by the trigger's id. ``known``: what has a sighting
    already, which goes on.
    """
    told: dict[int, int] = dict(lately)
    heard: list[Match] = []
    crowds: dict[int, Crowd] = {}
    for match in matches:
        trigger = match.trigger
        is_payment = match.family is Family.FUNDS and not match.spent
        if is_payment and (trigger.id, match.txid) not in known:
            told[trigger.id] = told.get(trigger.id, 0) + 1
            if told[trigger.id] > PAYMENTS_AN_HOUR:
                crowd = crowds.get(trigger.id, Crowd(trigger))
                crowds[trigger.id] = Crowd(trigger, crowd.payments + 1, crowd.sats + (match.sats or 0))
                continue
        heard.append(match)
    return heard, list(crowds.values())
