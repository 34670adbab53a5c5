"""What policies would have made of the past: of recorded events, or of blocks that are read again. Sends nothing."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bwm.chain.block import BlockRef
from bwm.chain.network import network as network_of
from bwm.config import Config
from bwm.daemon.connect import connect
from bwm.daemon.finder import Finder
from bwm.daemon.policy_desk import spends_of
from bwm.daemon.watchlist import WatchList
from bwm.db import blindness, decisions, journal, watches
from bwm.event import Event
from bwm.plan import Changes, Facts, VaultFacts, is_old_news, plan_block
from bwm.plan_policies import PolicyFacts, view_of
from bwm.policy.judge import Judgement, judge
from bwm.policy.kinds import named_by
from bwm.policy.reach import limit_s, window_s
from bwm.policy.rule import Policy
from bwm.watch.pool import BlockPool

_SKIPPED = tuple(kind for pattern in ("policy.*", "hook.*", "webhook.*") for kind in named_by(pattern))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy made of one event: why, whom it told, and its orders in words."""

    policy: str
    reason: str
    deeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One event, with what was decided before and what would be decided now."""

    event: Event
    before: tuple[Outcome, ...]
    after: tuple[Outcome, ...]

    @property
    def differs(self) -> bool:
        """Whether other deeds would be done, or by other policies; words may differ."""
        return {(one.policy, one.deeds) for one in self.before} != {(one.policy, one.deeds) for one in self.after}


def replay_journal(
    config: Config, since: int, until: int, policies: Sequence[Policy], against: Sequence[Policy] | None
) -> list[Compared]:
    """Recorded events between two times (unix seconds). ``against``: other policies; None: what was decided then."""
    events = [event for event in journal.between(since, until) if event.kind not in _SKIPPED]
    facts = _facts(config.network, events, Changes())
    after = _judged(policies, events, facts)
    if against is not None:
        before = _judged(against, events, facts)
    else:
        before = [
            tuple(Outcome(policy, reason, deeds) for policy, reason, deeds in decisions.of_event(event.seq))
            for event in events
        ]
    return [Compared(*row) for row in zip(events, before, after, strict=True)]


def replay_blocks(
    config: Config,
    first: int,
    last: int,
    policies: Sequence[Policy],
    against: Sequence[Policy],
    on_progress: Callable[[float], None] = lambda percent: None,
) -> list[Compared]:
    """Blocks of the active chain, read again for what is watched today. Raises NodeError."""
    node, network = connect(config), network_of(config.network)
    watch_list = WatchList()
    watch_list.refresh()
    finder = Finder(watch_list, node, network, config.gap_limit)
    compared = []
    for height in range(first, last + 1):
        block = BlockRef(height, node.block_hash(height))
        pool = BlockPool(node.block(block.hash), txids=watch_list.has_txids)
        found = finder.find(pool, block.hash).found
        names = {match.trigger.vault for _, matches in found for match in matches if match.trigger.vault}
        plain = Facts(network=config.network, vaults=watches.vault_facts(names))
        header = node.block_header(block.hash)
        at = header.time if header else 0
        changes = plan_block(block, found, plain, at) if found else Changes()
        facts = replace(_facts(config.network, changes.events, changes), tip_height=height)
        rows = (changes.events, _judged(against, changes.events, facts), _judged(policies, changes.events, facts))
        compared += [Compared(*row) for row in zip(*rows, strict=True)]
        on_progress(100 * (height - first + 1) / (last - first + 1))
    return compared


def _facts(network: str, events: Iterable[Event], changes: Changes) -> PolicyFacts:
    events = list(events)
    names = sorted({event.vault for event in events if event.vault})
    spends = [event for event in events if event.kind.startswith("trigger.") and event.vault]
    return PolicyFacts(
        network=network,
        vaults=watches.vault_facts(names),
        tags=watches.tags_of(names),
        spends=spends_of(spends, changes),
    )


def _judged(policies: Sequence[Policy], events: Sequence[Event], facts: PolicyFacts) -> list[tuple[Outcome, ...]]:
    reach_s, bound_s = window_s(policies), limit_s(policies)
    blind = blindness.intervals(max((event.at for event in events), default=0))
    acted: dict[str, tuple[int, ...]] = {}
    outcomes = []
    for number, event in enumerate(events):
        vault = facts.vaults.get(event.vault or "", VaultFacts())
        first = bisect_left(events, event.at - reach_s, 0, number, key=lambda past: past.at) if reach_s else number
        then = replace(
            facts,
            tip_height=_tip_at(event, vault, facts.tip_height),
            blind=any(began <= event.at < ended for began, ended in blind),
        )
        view = view_of(event, then, events[first:number], event.at)
        found = () if is_old_news(event, vault) else judge(policies, view, acted)
        for one in found:
            if one.decision.acts:
                recent = [at for at in acted.get(one.policy.name, ()) if at >= event.at - bound_s]
                acted[one.policy.name] = (*recent, event.at)
        outcomes.append(tuple(_outcome(one) for one in found))
    return outcomes


def _tip_at(event: Event, vault: VaultFacts, default: int) -> int:
    """How high the chain was: an event is written as its block comes, or as it becomes final."""
    if event.block is None:
        return default
    is_final = event.kind.endswith(".final")
    return event.block.height + (vault.final_depth - 1 if is_final else 0)


def _outcome(one: Judgement) -> Outcome:
    deeds = tuple(f"{wish.action} {wish.target}" for wish in one.decision.wishes)
    return Outcome(one.policy.name, one.decision.reason, deeds)
