"""An alert put into words."""

from collections.abc import Sequence
from dataclasses import dataclass

from bwm import health
from bwm.event import Event
from bwm.wording.coming import Coming, response_to_come
from bwm.wording.kinds import ADVICE, NEXT, OVER, TELLS_WHEN_OVER, TITLES, WHAT
from bwm.wording.reader import Reader

TITLE_LIMIT = 199
BODY_LIMIT = 820
"""In characters. What a channel adds below, names and marks, has room up to 999."""

BLOCK_S = 600


@dataclass(frozen=True, slots=True)
class Text:
    """A message: its title fits 200 characters, its body 1000."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Telling:
    """What is known of the alert beside its events."""

    alert_id: str
    opened_at: int  # unix seconds
    repeats_at: int | None = None  # unix seconds: when it is told again unless somebody answers
    answer_code: str | None = None  # acknowledges it, typed into ``bwm ack``
    is_drill: bool = False
    coming: tuple[Coming, ...] = ()
    now: int | None = None  # unix seconds
    blocks_left: int | None = None  # until whoever moved the coins can take them; None: not known


@dataclass(frozen=True, slots=True)
class _Line:
    """``weight``: 0 is never left out; of the others the heaviest goes first when there is no room."""

    text: str
    weight: int = 0


def tell(about: Event, latest: Event, telling: Telling, reader: Reader = Reader()) -> Text:  # noqa: B008 (frozen)
    """The message about an alert: what it is about, how things stand now, and how to answer it."""
    say = reader.language.say
    lines = [
        *_of_a_drill(telling, reader),
        *_happened(about, latest, reader),
        *_time_left(telling, reader),
        *_facts(about, latest, reader),
        _Line(say("First seen: {time}", time=reader.time(telling.opened_at)), 3),
        *_what_next(about, latest, telling, reader),
        *_what_to_do(about, latest, telling, reader),
    ]
    headline = title(_headline(about, latest), reader)
    if telling.is_drill:
        headline = say("DRILL: {title}", title=headline)
    return Text(_cut(headline, TITLE_LIMIT), _fitted(lines))


def title(event: Event, reader: Reader = Reader()) -> str:  # noqa: B008
    """One line that says what happened, and to whom."""
    say = reader.language.say
    if pattern := TITLES.get(event.kind):
        words = say(pattern, **_values(event, reader))
    elif reader.may_know("txid") and event.reason:
        words = _with_capital(event.reason.partition(";")[0])
    else:
        words = event.kind
    owner = _owner(event, reader)
    return say("{what}: {owner}", what=words, owner=owner) if owner else words


_SORTS = 8
"""So many sorts of alerts does a digest name."""


def tell_digest(sorts: Sequence[tuple[str, str | None, int]], reader: Reader) -> Text:
    """Many alerts in one message. ``sorts``: kind of event, name of vault or guardian, how many; the most first."""
    say, number = reader.language.say, reader.language.number
    lines = [
        say("{number} x {what}", number=number(count), what=_sort(kind, owner, reader))
        for kind, owner, count in sorts[:_SORTS]
    ]
    if len(sorts) > _SORTS:
        lines.append(say("and {number} more", number=number(sum(count for _, _, count in sorts[_SORTS:]))))
    lines.append(say("Each of them: bwm alerts"))
    together = reader.language.count("{number} alert", "{number} alerts together", sum(count for _, _, count in sorts))
    return Text(together, _fitted([_Line(line) for line in lines]))


def _sort(kind: str, owner: str | None, reader: Reader) -> str:
    words = reader.language.say(TITLES[kind], height="…", subject="…", response="…") if kind in TITLES else kind
    return f"{words} ({owner})" if owner and reader.may_know("vault") else words


def tell_test(network: str, reader: Reader) -> Text:
    """What is sent to try a channel."""
    say = reader.language.say
    return Text(
        say("bwm: this is a test"),
        say("Somebody asked bwm ({network}) to try this channel. Nothing has happened.", network=network),
    )


def tell_unreadable(alert_id: str, reader: Reader) -> Text:
    """That there is an alert, and no more: something about it cannot be read."""
    say = reader.language.say
    fault = say("A fault in bwm or in its database kept it from reading this alert.")
    look = say("Look at once: bwm events, bwm status.")
    answer = say("To stop the repeats: bwm ack {answer}", answer=alert_id)
    return Text(say("There is an alert that bwm cannot put into words"), "\n".join((fault, look, answer)))


def _with_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _headline(about: Event, latest: Event) -> Event:
    """The latest step where it says how the matter stands, else what the alert is about."""
    if latest.kind not in TITLES or latest.kind in _BY_THE_WAY:
        return about
    is_only_a_transaction = latest.kind.startswith("guardian.") and latest.kind in WHAT and latest.kind in _FOLLOWED
    return about if is_only_a_transaction and about.kind not in _FOLLOWED else latest


_BY_THE_WAY = frozenset(("hook.failed", "webhook.failed", "plugin.failed", "policy.failed"))
"""What bwm failed to do about a matter says nothing of how that stands: a theft stays a theft in the headline."""


_FOLLOWED = frozenset(
    f"{family}.{step}"
    for family in ("trigger", "funds", "guardian")
    for step in ("seen", "received", "confirmed", "final", "reorged", "replaced", "evicted", "conflicted")
)
"""The steps of a transaction's life."""


_IN_OWN_WORDS = frozenset(
    (
        "guardian",
        "vault",
        "response",
        "announcement",
        "policy",
        "hook",
        "webhook",
        "plugin",
        "drill",
        "alert",
        "deadman",
    )
)
"""Families whose events have a reason that says more than a sentence for all of their kind can."""

_OF_TRANSACTIONS = frozenset(("trigger", "funds", "guardian", "response"))
"""Families in whose detail ``by`` is the transaction that took another's place; in others it is who did something."""

_ENDS = frozenset({"deadman.back"})
"""Kinds that settle what an alert was about, besides the ends of troubles: there is nothing left to do."""

_WITH_DETAILS = frozenset((health.GAP, health.CHAIN_REPLACED, health.RESTORED, health.STOPPED, health.AWOKE))


def _values(event: Event, reader: Reader) -> dict[str, str]:
    lasted_s, until = event.detail.get("lasted_s"), event.detail.get("until")
    return {
        "height": str(event.block.height) if event.block else "?",
        "response": str(event.detail.get("response", "")) if reader.may_know("vault") else "***",
        "subject": str(event.detail.get("subject", "")) if reader.may_know("vault") else "***",
        "duration": reader.language.duration(lasted_s) if isinstance(lasted_s, int) else "?",
        "until": reader.time(until) if isinstance(until, int) else "?",
    }


def _owner(event: Event, reader: Reader) -> str:
    say, may_know = reader.language.say, reader.may_know("vault")
    if event.guardian:
        return say("guardian {name}", name=event.guardian) if may_know else say("a guardian")
    if event.vault:
        return say("vault {name}", name=event.vault) if may_know else say("a vault")
    return ""


def _of_a_drill(telling: Telling, reader: Reader) -> list[_Line]:
    words = reader.language.say("This is a drill: nothing has happened. Act as if it had, and answer.")
    return [_Line(words)] if telling.is_drill else []


def _time_left(telling: Telling, reader: Reader) -> list[_Line]:
    """How long there is, in blocks and in hours as they usually come."""
    if (blocks := telling.blocks_left) is None:
        return []
    if not blocks:
        return [_Line(reader.language.say("No time is left: whoever moved the coins may take them now."))]
    about = reader.language.duration(blocks * BLOCK_S)
    words = reader.language.count(
        "Time left: {number} block, about {duration}.",
        "Time left: {number} blocks, about {duration}.",
        blocks,
        duration=about,
    )
    return [_Line(words)]


def _happened(about: Event, latest: Event, reader: Reader) -> list[_Line]:
    """What it is about, and where that stands now; one sentence where the second says it all."""
    say = reader.language.say
    if about.kind in _FOLLOWED and latest.kind in _FOLLOWED:
        lines = [_Line(_sentence(latest, reader))]
    elif latest.seq == about.seq:
        lines = [_Line(_sentence(about, reader))]
    else:
        lines = [_Line(_sentence(about, reader), 1), _Line(say("Now: {what}", what=_sentence(latest, reader)))]
    if about.detail.get("rival"):
        lines.append(_Line(say("It is not the watched transaction itself: it spends the same coins."), 2))
    return lines


def _sentence(event: Event, reader: Reader) -> str:
    """What happened, without whose it is."""
    say = reader.language.say
    if pattern := WHAT.get(event.kind):
        return say(pattern, **_values(event, reader))
    if health.settles(event.kind) is not None:
        return say(OVER, **_values(event, reader))
    if event.kind in TITLES:
        return say("{what}.", what=say(TITLES[event.kind], **_values(event, reader)))
    return f"{event.reason}." if reader.may_know("txid") else f"{event.kind}."


def _facts(about: Event, latest: Event, reader: Reader) -> list[_Line]:
    say, lines = reader.language.say, []
    sats = about.detail.get("vault_sats", about.sats)  # of several triggers that one transaction touches, all
    if sats is not None and reader.may_know("sats"):
        lines.append(_Line(say("Amount: {sats} sat", sats=reader.language.number(sats)), 1))
    if about.txid and reader.may_know("txid"):
        lines.append(_Line(say("Transaction: {txid}", txid=about.txid), 2))
    if about.trigger_kind == "outpoint" and about.trigger_key and reader.may_know("txid"):
        lines.append(_Line(say("Coin: {coin}", coin=about.trigger_key), 4))
    if about.trigger_kind == "script" and about.trigger_key and reader.may_know("address"):
        lines.append(_Line(say("Address: {address}", address=about.trigger_key), 4))
    by = latest.detail.get("by") if latest.kind.partition(".")[0] in _OF_TRANSACTIONS else None
    if by and reader.may_know("txid"):
        lines.append(_Line(say("The other transaction: {txid}", txid=by), 4))
    if (words := _details(about, reader)) is not None:
        lines.append(_Line(say("Details: {words}", words=words), 5))
    return lines


def _details(event: Event, reader: Reader) -> str | None:
    """The journal's own words, where the sentences leave out what may matter. They may hold ids and names."""
    if not all(map(reader.may_know, ("txid", "vault", "address"))):
        return None
    if health.can_end(event.kind):
        return event.detail.get("words")
    if event.kind in TITLES and event.kind not in _FOLLOWED and event.kind.partition(".")[0] in _IN_OWN_WORDS:
        return event.reason.rstrip(".")
    if event.kind in _WITH_DETAILS:
        return event.reason.rstrip(".")
    return None


def _what_next(about: Event, latest: Event, telling: Telling, reader: Reader) -> list[_Line]:
    say, lines = reader.language.say, []
    if pattern := NEXT.get(latest.kind):
        lines.append(_Line(say(pattern), 2))
    elif health.can_end(latest.kind):
        lines.append(_Line(say(TELLS_WHEN_OVER), 2))
    coming = [response_to_come(one, telling.now, reader) for one in telling.coming[:_MOST_COMING]]
    lines += [_Line(text, 1 if number else 0) for number, text in enumerate(coming)]  # the first comes first
    if telling.repeats_at is not None:
        lines.append(
            _Line(say("It is told again at {time}, until somebody answers.", time=reader.time(telling.repeats_at)), 1)
        )
    return lines


_MOST_COMING = 2


def _what_to_do(about: Event, latest: Event, telling: Telling, reader: Reader) -> list[_Line]:
    say, lines = reader.language.say, []
    if health.settles(latest.kind) is None and latest.kind not in _ENDS:
        advice = ADVICE.get(latest.kind) or ADVICE.get(about.kind) or ADVICE.get(about.kind.partition(".")[0])
        if advice:
            lines.append(_Line(say(advice)))
    if about.kind != health.STOPPED:  # in no database, so that nobody can answer it
        answer = telling.answer_code or telling.alert_id
        lines.append(_Line(say("To stop the repeats: bwm ack {answer}", answer=answer)))
    return lines


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\u2026"


def _fitted(lines: list[_Line]) -> str:
    """The lines that have room, in their order; what cannot be left out is never pushed out by what can."""
    kept = list(lines)
    while len("\n".join(line.text for line in kept)) > BODY_LIMIT:
        heaviest = max(kept, key=lambda line: line.weight)
        if not heaviest.weight:
            break
        kept.remove(heaviest)
    room = max(80, BODY_LIMIT // max(1, len(kept)) - 1)
    whole = "\n".join(line.text for line in kept)
    return whole if len(whole) <= BODY_LIMIT else _cut("\n".join(_cut(line.text, room) for line in kept), BODY_LIMIT)
