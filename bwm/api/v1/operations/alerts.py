"""Alerts and their answers."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.numbers import numbers_of
from bwm.api.v1.operation import USUAL, Call, Operation, Reply, Surroundings, listing, page
from bwm.api.v1.operations.common import nothing
from bwm.api.v1.operations.events import NUMBERED
from bwm.api.v1.shape import Field
from bwm.daemon.alert_facts import described
from bwm.daemon.answering import Answering, CodeRefused
from bwm.db import alerts
from bwm.db.answers import Outcome
from bwm.db.tokens import Holder

_AT_ONCE = 5000  # alerts looked at for a page, of which a token may see few

_RESULTS = {Outcome.DONE: "acknowledged", Outcome.ALREADY: "already", Outcome.GRAVER: "graver"}


def seen_alerts(holder: Holder, found: Iterable[Any]) -> Iterator[Any]:
    """Those that the token may see."""
    if holder.sees_all:
        return iter(found)
    return (alert for alert, vault, guardian in alerts.with_owners(found) if holder.sees(vault, guardian))


def seen_ids(holder: Holder, after: str | None, state: str | None) -> Iterator[str]:
    """The ids of all that the token may see, in order, behind one."""
    while part := alerts.behind(after, state, _AT_ONCE):
        yield from (found for found, vault, guardian in part if holder.sees(vault, guardian))
        after = part[-1][0]


def _list(around: Surroundings, call: Call) -> Reply:
    limit, after, state = call.query.get("limit", USUAL), call.query.get("after"), call.query.get("state")
    ids = list(islice(seen_ids(call.holder, after, state), limit + 1))
    found = {alert.id: alert for alert in alerts.of_ids(ids)}
    items = [_shown(around, found[one], call.holder) for one in ids]
    return Reply(page(items, limit, lambda alert: alert["id"]))


def _show(around: Surroundings, call: Call) -> Reply:
    for alert in seen_alerts(call.holder, alerts.listed(hidden=False, of_id=call.path["id"])):
        return Reply(_shown(around, alert, call.holder))
    raise nothing()


def _shown(around: Surroundings, alert: Any, holder: Holder) -> dict[str, Any]:
    """Which channels others have is nobody's business who may not see everything, and neither is their number of
    events."""
    facts = described(alert)
    if holder.sees_all:
        return facts
    del facts["deliveries"]
    return facts | {"event": numbers_of(around, holder, NUMBERED).shown(facts["event"])}


def _acknowledge(around: Surroundings, call: Call) -> Reply:
    """The code of a message is the proof that it was read; an id is none."""

    def may_answer(alert_id: str) -> bool:
        return any(True for _ in seen_alerts(call.holder, alerts.of_ids([alert_id])))

    answering = Answering(around.config, around.database, around.clock, may_answer, call.holder.name)
    try:
        answered = answering.by_code(call.body["code"], call.body.get("by"))
    except CodeRefused as error:  # which of its reasons it was could tell of others
        words = str(error) if call.holder.sees_all else "This code is of no alert that this token may see."
        raise Problem(404, words) from None
    return Reply({"result": _RESULTS[answered.outcome], "alert": answered.alert_id})


_ID = "[a-z2-7]{1,26}"

OPERATIONS = (
    listing(
        "list-alerts",
        "Alerts, the oldest first.",
        _list,
        schemas.ALERT,
        Field("after", "text", "Those behind this alert: `next` of the page before.", pattern=_ID),
        Field("state", "text", "Only those.", choices=("open", "acknowledged", "resolved")),
    ),
    Operation(
        "show-alert",
        "GET",
        "/v1/alerts/{id}",
        "read",
        "One alert.",
        _show,
        schemas.ALERT,
        parameters=(Field("id", "text", "The id of an alert, whole.", pattern=_ID, longest=26),),
    ),
    Operation(
        "acknowledge",
        "POST",
        "/v1/ack",
        "ack",
        "Say that a message was read, by the code that it holds.",
        _acknowledge,
        schemas.ACKNOWLEDGED,
        body=(
            Field("code", "text", "As it stands in the message.", required=True, pattern="[A-Za-z0-9 -]{1,64}"),
            Field("by", "text", "Who has read it.", pattern="[A-Za-z0-9_.@ -]{1,64}", longest=64),
        ),
    ),
)
