"""Everything that can be asked for below ``/v1/``. What a token may not learn of is as if it were not there."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from bwm import __version__
from bwm.answer import tidy
from bwm.api.problems import Problem
from bwm.api.v1 import schemas
from bwm.api.v1.operation import LIMIT, NAME, USUAL, Call, Operation, Reply, Surroundings, page, page_schema
from bwm.api.v1.shape import Field
from bwm.chain.network import network as network_of
from bwm.clock import rfc3339
from bwm.daemon.alert_facts import described as alert_described
from bwm.daemon.announcing import announced
from bwm.daemon.answering import Answering, CodeRefused, answer_key
from bwm.daemon.registration import Wish, prepare
from bwm.db import alerts, announcements, answers, cursor, guardians, journal, new_vaults, responses, vaults
from bwm.db.answers import Outcome
from bwm.db.tokens import Holder
from bwm.errors import NodeError, UsageError
from bwm.event import Event
from bwm.policy.announced_text import Said, destination_of, read_text, refuse_odd
from bwm.policy.announcement import Announcement
from bwm.severity import Severity

_AT_ONCE = 500  # rows looked at for a page, of which a token may see few

_TXID = r"[0-9a-fA-F]{64}"


def _nothing() -> Problem:
    return Problem(404, "There is nothing of that name here for this token.")


# The state


def _status(around: Surroundings, call: Call) -> Reply:
    at = cursor.at()
    names = _vault_names(call.holder, "")
    seen = [alert for alert in alerts.listed(alerts.OPEN, hidden=False) if _sees(call.holder, _about(alert))]
    return Reply(
        {
            "network": around.config.network,
            "version": __version__,
            "up": around.is_up(),
            "height": at.height if at else None,
            "vaults": vaults.count() if call.holder.sees_all else sum(1 for _ in names),
            "open_alerts": len(seen),
        }
    )


# Vaults


def _vault_names(holder: Holder, after: str) -> Iterator[str]:
    """Those that the token may see, in order, behind a name."""
    while names := vaults.names_after(after, _AT_ONCE):
        yield from (name for name in names if holder.sees(name))
        after = names[-1]


def _list_vaults(around: Surroundings, call: Call) -> Reply:
    limit = call.query.get("limit", USUAL)
    names = []
    for name in _vault_names(call.holder, call.query.get("after", "")):
        names.append(name)
        if len(names) > limit:
            break
    found = {vault["name"]: vault for vault in vaults.described(names[:limit])}
    items = [found.get(name, {"name": name}) for name in names]
    return Reply(page(items, limit, lambda vault: vault["name"]))


def _show_vault(around: Surroundings, call: Call) -> Reply:
    name = call.path["name"]
    found = vaults.described([name]) if call.holder.sees(name) else []
    if not found:
        raise _nothing()
    return Reply(found[0])


def _add_vault(around: Surroundings, call: Call) -> Reply:
    body = call.body
    if not call.holder.sees(body["name"]):
        raise Problem(403, f"This token is for names like {', '.join(call.holder.owners)}.")
    wish = Wish(
        name=body["name"],
        txids=body.get("txids", ()),
        outpoints=body.get("outpoints", ()),
        addresses=body.get("addresses", ()),
        descriptors=body.get("descriptors", ()),
        birthday=body.get("birthday"),
        severity=Severity(body.get("severity", Severity.EMERGENCY)),
        final_depth=body.get("final_depth", around.config.final_depth),
        tags=body.get("tags", ()),
    )
    if vaults.is_taken(wish.name):
        raise Problem(409, "There is a vault of that name already; nothing was added.")
    try:
        prepared = prepare([wish], network_of(around.config.network), around.node, around.config.gap_limit)
        new_vaults.add(around.database, prepared.vaults, around.clock.now())
    except UsageError as error:
        raise Problem(400, str(error)) from None
    except NodeError:
        raise Problem(503, "The node cannot be asked now. Try again later.", {"Retry-After": "30"}) from None
    return Reply(vaults.described([wish.name])[0], 201)


def _remove_vault(around: Surroundings, call: Call) -> Reply:
    name = call.path["name"]
    if not call.holder.sees(name) or not vaults.is_taken(name):
        raise _nothing()
    with around.database.transaction():
        vaults.remove(name)
    return Reply(None, 204)


# Guardians


def _list_guardians(around: Surroundings, call: Call) -> Reply:
    limit, after = call.query.get("limit", USUAL), call.query.get("after", "")
    found = guardians.described(around.clock.now())
    seen = [one for one in found if call.holder.sees(one["name"]) and one["name"] > after]
    return Reply(page(sorted(seen, key=lambda one: str(one["name"])), limit, lambda one: one["name"]))


def _show_guardian(around: Surroundings, call: Call) -> Reply:
    name = call.path["name"]
    found = [one for one in guardians.described(around.clock.now()) if one["name"] == name]
    if not found or not call.holder.sees(name):
        raise _nothing()
    return Reply(found[0])


# Announcements and responses


def _list_announcements(around: Surroundings, call: Call) -> Reply:
    limit, after = call.query.get("limit", USUAL), call.query.get("after", 0)
    found = [one for one in announcements.described() if one["id"] > after and call.holder.sees(one["vault"])]
    items = [one | {name: rfc3339(one[name]) for name in ("begins_at", "ends_at")} for one in found[: limit + 1]]
    return Reply(page(items, limit, lambda one: one["id"]))


def _announce(around: Surroundings, call: Call) -> Reply:
    """In the fields, or as the text that ``bwm announce --print-message`` prints, with its signature."""
    network, now, body = network_of(around.config.network), around.clock.now(), call.body
    try:
        if "message" in body:
            said = read_text(body["message"], network)
        else:
            places = tuple(destination_of(place, network) for place in body.get("to", ()))
            ends_at, fee = now + body.get("within_s", 7200), body.get("max_fee", _USUAL_FEE)
            one = Announcement(0, body.get("vault", ""), now, ends_at, body.get("txid"), places, fee)
            said = Said(one, secrets.token_hex(16))
            refuse_odd(said)
        if not call.holder.sees(said.announcement.vault) or not vaults.is_taken(said.announcement.vault):
            raise _nothing()
        number = announced(around.config, around.database, said, body.get("signature"), now)
    except UsageError as error:
        raise Problem(400, str(error)) from None
    return Reply({"id": number, "vault": said.announcement.vault}, 201)


def _list_responses(around: Surroundings, call: Call) -> Reply:
    limit, after = call.query.get("limit", USUAL), call.query.get("after", "")
    found = responses.described(one for one in responses.every() if call.holder.sees(one.vault))
    seen = sorted((one for one in found if one["name"] > after), key=lambda one: str(one["name"]))
    return Reply(page(seen, limit, lambda one: one["name"]))


# Events and alerts


def _sees(holder: Holder, event: Event) -> bool:
    return holder.sees(event.vault, event.guardian)


def events_after(holder: Holder, after: int, limit: int, **wanted: Any) -> list[dict[str, Any]]:
    """Events that the token may see, with a higher number, at most so many."""
    found: list[dict[str, Any]] = []
    while len(found) < limit and (part := journal.read(after_seq=after, limit=_AT_ONCE, **wanted)):
        found += [event.as_json() for event in part if _sees(holder, event)]
        after = part[-1].seq or after
    return found[:limit]


def _list_events(around: Surroundings, call: Call) -> Reply:
    limit = call.query.get("limit", USUAL)
    wanted = {"vault": call.query.get("vault"), "kind": call.query.get("kind")}
    items = events_after(call.holder, call.query.get("after", 0), limit + 1, **wanted)
    return Reply(page(items, limit, lambda event: event["seq"]))


def _about(alert: Any) -> Event:
    return journal.get(alert.event_id)


def _list_alerts(around: Surroundings, call: Call) -> Reply:
    limit, after = call.query.get("limit", USUAL), call.query.get("after")
    found = alerts.listed(call.query.get("state"), hidden=False)
    ids = [alert.id for alert in found]
    start = ids.index(after) + 1 if after in ids else 0
    seen = []
    for alert in found[start:]:
        if _sees(call.holder, _about(alert)):
            seen.append(alert)
        if len(seen) > limit:
            break
    return Reply(page([_alert(alert, call.holder) for alert in seen], limit, lambda alert: alert["id"]))


def _show_alert(around: Surroundings, call: Call) -> Reply:
    found = [alert for alert in alerts.listed(hidden=False) if alert.id == call.path["id"]]
    if not found or not _sees(call.holder, _about(found[0])):
        raise _nothing()
    return Reply(_alert(found[0], call.holder))


def _alert(alert: Any, holder: Holder) -> dict[str, Any]:
    """Which channels others have is nobody's business who may not see everything."""
    facts = alert_described(alert)
    return facts if holder.sees_all else {name: value for name, value in facts.items() if name != "deliveries"}


def _acknowledge(around: Surroundings, call: Call) -> Reply:
    """The code of a message is the proof that it was read; an id is none."""
    answering = Answering(around.config, around.database, around.clock)
    proof = answers.prove(tidy(call.body["code"]) or "", answer_key(around.config.state_dir))
    if not call.holder.sees_all:
        about = None if proof is None else next(iter(alerts.of_ids([proof.alert_id])), None)
        if about is None or not _sees(call.holder, _about(about)):
            raise Problem(404, "This code is of no alert that this token may see.")
    try:
        answered = answering.by_code(call.body["code"], call.body.get("by"))
    except CodeRefused as error:
        raise Problem(404, str(error)) from None
    results = {Outcome.DONE: "acknowledged", Outcome.ALREADY: "already", Outcome.GRAVER: "graver"}
    return Reply({"result": results[answered.outcome], "alert": answered.alert_id})


_OWNER = Field("vault", "text", "Of this vault or guardian only.", pattern=NAME.pattern, longest=64)
_KIND = Field("kind", "text", "A kind of events, or a family.", pattern=r"[a-z_]{1,32}(?:\.[a-z_]{1,40})?")
_AFTER_NAME = Field("after", "text", "Those behind this name: `next` of the page before.", pattern=NAME.pattern)
_AFTER_SEQ = Field("after", "whole", "Those behind this number: `next` of the page before.")
_AFTER_ID = Field("after", "text", "Those behind this alert: `next` of the page before.", pattern="[a-z2-7]{1,26}")
_STATE = Field("state", "text", "Only those.", choices=("open", "acknowledged", "resolved"))

_VAULT_FIELDS = (
    NAME,
    Field("txids", "texts", "Transactions that must not appear.", pattern=_TXID, longest=64),
    Field("outpoints", "texts", "Coins that must not move, as TXID:VOUT.", pattern=_TXID + ":[0-9]{1,10}", longest=75),
    Field("addresses", "texts", "Addresses, with all their coins.", pattern="[A-Za-z0-9]{14,100}", items=100),
    Field("descriptors", "texts", "Whole wallets, public.", pattern=r"[\x21-\x7e]{1,2000}", longest=2000, items=10),
    Field("birthday", "text", "A height or a date: read the chain from there on.", pattern="[0-9-]{1,10}"),
    Field("severity", "text", "How bad a spend is.", choices=tuple(map(str, Severity))),
    Field("final_depth", "whole", "Blocks after which a transaction is final.", least=1, most=10_000),
    Field("tags", "texts", "Words to find it by.", pattern="[A-Za-z0-9._-]{1,64}", items=20),
)

_OF_DESCRIPTOR = 2000  # scripts that are watched of one, about


def _triggers_of(body: Mapping[str, Any]) -> int:
    single = sum(len(body.get(name, ())) for name in ("txids", "outpoints", "addresses"))
    return single + _OF_DESCRIPTOR * len(body.get("descriptors", ()))


_USUAL_FEE = 100_000  # sat

_ANNOUNCEMENT_FIELDS = (
    Field("vault", "text", "Whose coins will be spent.", pattern=NAME.pattern, longest=64),
    Field("txid", "text", "The transaction that will come.", pattern="[0-9a-f]{64}", longest=64),
    Field(
        "to", "texts", "Where it pays and how much at most: ADDRESS:SATS.", pattern="[A-Za-z0-9]{14,100}:[0-9]{1,16}"
    ),
    Field("max_fee", "whole", "The most that it may cost, in sat.", most=21_000_000 * 100_000_000),
    Field("within_s", "whole", "Seconds for which it holds.", least=60, most=30 * 86_400),
    Field("message", "text", "The text that was signed, in place of the fields before.", longest=8000),
    Field("signature", "text", "Its signature.", longest=1000),
)

_REQUIRED_NAME = Field("name", "text", NAME.words, required=True, pattern=NAME.pattern, longest=64)

OPERATIONS = (
    Operation("status", "GET", "/v1/status", "read", "How bwm does.", _status, schemas.STATUS),
    Operation(
        "list-vaults",
        "GET",
        "/v1/vaults",
        "read",
        "Vaults by name, with their triggers.",
        _list_vaults,
        page_schema(schemas.VAULT, "string"),
        query=(LIMIT, _AFTER_NAME),
    ),
    Operation(
        "add-vault",
        "POST",
        "/v1/vaults",
        "write",
        "Watch transactions, coins, addresses or wallets under one name.",
        _add_vault,
        schemas.VAULT,
        body=(_REQUIRED_NAME, *_VAULT_FIELDS[1:]),
        success=201,
        statuses=(409, 422),
        is_slow=True,
        cost=_triggers_of,
    ),
    Operation(
        "show-vault",
        "GET",
        "/v1/vaults/{name}",
        "read",
        "One vault.",
        _show_vault,
        schemas.VAULT,
        parameters=(NAME,),
    ),
    Operation(
        "remove-vault",
        "DELETE",
        "/v1/vaults/{name}",
        "write",
        "Stop watching a vault; its history stays.",
        _remove_vault,
        {},
        parameters=(NAME,),
        success=204,
    ),
    Operation(
        "list-guardians",
        "GET",
        "/v1/guardians",
        "read",
        "Guardians with their lock states.",
        _list_guardians,
        page_schema(schemas.GUARDIAN, "string"),
        query=(LIMIT, _AFTER_NAME),
    ),
    Operation(
        "show-guardian",
        "GET",
        "/v1/guardians/{name}",
        "read",
        "One guardian: whether it is locked.",
        _show_guardian,
        schemas.GUARDIAN,
        parameters=(NAME,),
    ),
    Operation(
        "list-announcements",
        "GET",
        "/v1/announcements",
        "read",
        "Spends that the owner said will come, and what became of them.",
        _list_announcements,
        page_schema(schemas.ANNOUNCEMENT, "integer"),
        query=(LIMIT, _AFTER_SEQ),
    ),
    Operation(
        "announce",
        "POST",
        "/v1/announcements",
        "announce",
        "Say that a spend will come: by its txid, or by where it pays; signed where the configuration wants that.",
        _announce,
        schemas.ANNOUNCED,
        body=_ANNOUNCEMENT_FIELDS,
        success=201,
        statuses=(422,),
    ),
    Operation(
        "list-responses",
        "GET",
        "/v1/responses",
        "read",
        "What was signed in advance and whether it would work; never the transactions.",
        _list_responses,
        page_schema(schemas.RESPONSE, "string"),
        query=(LIMIT, _AFTER_NAME),
    ),
    Operation(
        "list-events",
        "GET",
        "/v1/events",
        "read",
        "The journal, in order.",
        _list_events,
        page_schema(schemas.EVENT, "integer"),
        query=(LIMIT, _AFTER_SEQ, _OWNER, _KIND),
    ),
    Operation(
        "list-alerts",
        "GET",
        "/v1/alerts",
        "read",
        "Alerts, the oldest first.",
        _list_alerts,
        page_schema(schemas.ALERT, "string"),
        query=(LIMIT, _AFTER_ID, _STATE),
    ),
    Operation(
        "show-alert",
        "GET",
        "/v1/alerts/{id}",
        "read",
        "One alert.",
        _show_alert,
        schemas.ALERT,
        parameters=(Field("id", "text", "The id of an alert, whole.", pattern="[a-z2-7]{1,26}", longest=26),),
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
        statuses=(422,),
    ),
)
"""In the order in which the document has them."""
