"""The ``when`` of a policy: a TOML table becomes conditions. Raises ConfigError with the line of every mistake."""

import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

from bwm.chain.address import script_of_address
from bwm.chain.network import Network
from bwm.errors import BadAddress
from bwm.guardian.state import LOCK_STATES
from bwm.policy.clocktime import DAYS, TimeOfWeek
from bwm.policy.compose import AtLeast, Not
from bwm.policy.condition import (
    FIELDS,
    Announced,
    Blind,
    Condition,
    Count,
    Depth,
    Detail,
    Field,
    GuardianIs,
    InFlight,
    PaysOnly,
    Sats,
    Tag,
    Vaults,
)
from bwm.policy.kinds import named_by, nearest
from bwm.toml import Table

MOST_SATS = 21_000_000 * 100_000_000
LONGEST_S = 366 * 86_400
_DEEPEST = 1_000_000
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def read_when(table: Table, network: Network) -> Condition | None:
    """All that a table asks; None when it asks nothing."""
    parts = [condition for read in _READERS for condition in read(table, network)]
    table.finish()
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AtLeast(len(parts), tuple(parts))


def kinds_of(table: Table, key: str) -> tuple[str, ...]:
    """A list of patterns of kinds, each of which names something."""
    patterns = table.one_or_more(key)
    for pattern in patterns:
        if not named_by(pattern):
            near = nearest(pattern)
            hint = f"Did you mean {near}? " if near else ""
            raise table.error(
                f"{key} has {pattern!r}, and there is no such event. {hint}The README lists all; trigger.* is a family",
                key,
            )
    return patterns


def _fields(table: Table, network: Network) -> list[Condition]:
    found: list[Condition] = [Field(name, words) for name in FIELDS if (words := table.one_or_more(name))]
    if tags := table.one_or_more("tag"):
        found.append(Tag(tags))
    detail = table.table("detail")
    found += [Detail(name, detail.one_or_more(name)) for name in detail.content]
    return found


def _amounts(table: Table, network: Network) -> list[Condition]:
    found: list[Condition] = []
    least = table.whole("sats_at_least", 0, 0, MOST_SATS)
    most = table.whole("sats_at_most", MOST_SATS, 0, MOST_SATS)
    if most < least:
        raise table.error("sats_at_most is less than sats_at_least: nothing is both", "sats_at_most")
    if table.has("sats_at_least") or table.has("sats_at_most"):
        found.append(Sats(least, most if table.has("sats_at_most") else None))
    flight = table.table("sats_in_flight")
    if table.has("sats_in_flight"):
        least = _required_whole(flight, "at_least", MOST_SATS)
        found.append(InFlight(least, _window(flight), flight.one_or_more("vault")))
        flight.finish()
    return found


def _counts(table: Table, network: Network) -> list[Condition]:
    found: list[Condition] = []
    count = table.table("count")
    if table.has("count"):
        kinds = kinds_of(count, "kind")
        if not kinds:
            raise count.error("count needs kind, the events that are counted")
        if count.has("vaults"):
            found.append(Vaults(kinds, _required_whole(count, "vaults", 1_000_000), _window(count)))
        else:
            least, within_s = _required_whole(count, "at_least", 1_000_000), _window(count)
            found.append(Count(kinds, least, within_s, count.flag("everywhere", default=False)))
        count.finish()
    depth = table.whole("depth_at_least", 0, 0, _DEEPEST)
    return [*found, Depth(depth)] if depth else found


def _destinations(table: Table, network: Network) -> list[Condition]:
    found: list[Condition] = []
    for key, wanted in (("destination_inside", True), ("destination_outside", False)):
        addresses = table.one_or_more(key)
        if addresses:
            found.append(PaysOnly(frozenset(_script(table, key, one, network) for one in addresses), wanted))
    return found


def _script(table: Table, key: str, address: str, network: Network) -> bytes:
    try:
        return script_of_address(address, network)
    except BadAddress as error:
        raise table.error(f"{key} has something that cannot be paid to: {error}", key) from None


def _states(table: Table, network: Network) -> list[Condition]:
    found: list[Condition] = []
    announced, blind = table.flag("announced", default=False), table.flag("blind", default=False)
    if table.has("announced"):
        found.append(Announced(announced))
    if table.has("blind"):
        found.append(Blind(blind))
    if states := table.one_or_more("guardian_state"):
        if unknown := [state for state in states if state not in LOCK_STATES]:
            raise table.error(
                f"guardian_state has {unknown[0]!r}: use any of {', '.join(LOCK_STATES)}", "guardian_state"
            )
        found.append(GuardianIs(states))
    return found


def _time(table: Table, network: Network) -> list[Condition]:
    time = table.table("time")
    if not table.has("time"):
        return []
    zone = time.text("zone")
    if zone is None:
        raise time.error('time needs zone, like zone = "Europe/Berlin" or zone = "UTC"')
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # a zone that is not there is a KeyError
        raise time.error(f"there is no time zone {zone!r}: write it like Europe/Berlin or UTC", "zone") from None
    days = time.words("days", DAYS) or DAYS
    first, last = _clock(time, "from", 0), _clock(time, "to", 24 * 60)
    time.finish()
    if first == last:
        raise time.error("from and to are the same: the span between them is empty", "to")
    return [TimeOfWeek(first, last, tuple(DAYS.index(day) for day in days), zone)]


def _clock(table: Table, key: str, default: int) -> int:
    text = table.text(key)
    if text is None:
        return default
    if not _CLOCK.fullmatch(text):
        raise table.error(f"{key} is {text!r}: write a time of day like 08:30", key)
    return int(text[:2]) * 60 + int(text[3:])


def _composed(table: Table, network: Network) -> list[Condition]:
    both = {key: _parts(table, key, network) for key in ("all", "any")}
    found: list[Condition] = [AtLeast(len(parts) if key == "all" else 1, parts) for key, parts in both.items() if parts]
    parts = _parts(table, "of", network)
    least = table.whole("at_least", 1, 1, max(1, len(parts)))
    if bool(parts) != table.has("at_least"):
        raise table.error("at_least and of belong together, like at_least = 2, of = [{…}, {…}, {…}]")
    if parts:
        found.append(AtLeast(least, parts))
    for key in ("not", "veto"):
        inner = read_when(table.table(key), network) if table.has(key) else table.anything(key)
        if table.has(key):
            if inner is None:
                raise table.error(f"{key} is empty: say what must not hold", key)
            found.append(Not(inner))
    return found


def _parts(table: Table, key: str, network: Network) -> tuple[Condition, ...]:
    parts = [read_when(part, network) for part in table.tables(key)]
    if None in parts or (table.has(key) and not parts):
        raise table.error(f"{key} has an empty part: remove it, or say what must hold", key)
    return tuple(part for part in parts if part)


def _required_whole(table: Table, key: str, most: int) -> int:
    if not table.has(key):
        raise table.error(f"{key} is missing here")
    return table.whole(key, 1, 1, most)


def _window(table: Table) -> int:
    if not table.has("within"):
        raise table.error('within is missing here: give the window, like within = "1d"')
    return table.duration("within", 0, 1, LONGEST_S)


_READERS: tuple[Callable[[Table, Network], list[Condition]], ...] = (
    _fields,
    _amounts,
    _counts,
    _destinations,
    _states,
    _time,
    _composed,
)
