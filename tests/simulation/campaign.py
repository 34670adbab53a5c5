"""Many seeds on several processes, and one table of what they showed."""

import gc
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from tests.simulation import mutants_responses as mutants
from tests.simulation.facts import Violation
from tests.simulation.simulation import Outcome, run
from tests.simulation.stopping import Stop

T, R = TypeVar("T"), TypeVar("R")

REPLAY = "PYTHONHASHSEED=0 python -m tests.simulation --seed {seed} --steps {steps}"

_RARELY = (50_000, 20, 20)  # a seed is soon over, and what it leaves is little: looking for garbage took a tenth of it
_FAULTS = (
    ("daemon killed", ("deaths", "stop daemon")),
    ("node down, hung or refusing", ("node down", "node hangs", "rpc failed")),
    ("node without its data", ("node loses data",)),
    ("node of another network", ("wrong network",)),
    ("blocks damaged or missing", ("block damaged",)),
    ("reorgs", ("reorg", "switch")),
    ("transactions replaced or evicted", ("replace", "evict")),
    ("feed dead", ("feed dead",)),
    ("feed messages lost, doubled, late, damaged", ("feed lost", "feed doubled", "feed late", "feed damaged")),
    ("feed messages forged", ("feed forged",)),
    ("deliveries failed", ("channel later", "channel asked to wait", "channel refused")),
    ("deliveries uncertain", ("channel uncertain", "channel faulty")),
    ("disk full", ("disk full",)),
    ("power cut", ("power cut",)),
    ("clock jumped", ("clock jumps",)),
    ("vaults robbed, responses outbid", ("rob", "outbid")),
    ("responses held, disarmed, vetoed", ("hold", "disarm", "veto")),
    ("responses sent", ("response sent",)),
    ("vaults added, removed, rescanned", ("add vault", "add guardian", "remove", "rescan")),
)
_PROMISES = (
    ("misses", "miss"),
    ("losses", "loss"),
    ("duplicates", "duplicate"),
    ("unauthorised broadcasts", "unauthorised"),
    ("abandoned decisions", "abandoned"),
)


@dataclass(slots=True)
class Failure:
    """A seed that broke a promise, and how to see it again."""

    seed: int
    step: int
    kind: str
    words: str
    replay: str


@dataclass(slots=True)
class Report:
    """What a campaign showed."""

    seeds: int = 0
    steps: int = 0
    heals: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, outcome: Outcome, steps: int) -> None:
        """One more seed, which was to take so many steps."""
        self.seeds += 1
        self.steps += outcome.steps
        self.heals += outcome.heals
        self.counts.update(outcome.counts)
        replay = REPLAY.format(seed=outcome.seed, steps=steps)
        self.failures += [Failure(outcome.seed, outcome.steps, v.kind, v.words, replay) for v in outcome.violations]

    def table(self) -> str:
        """For people."""
        kinds = Counter(failure.kind for failure in self.failures)
        named = {kind for _, kind in _PROMISES}
        rows = [("seeds", self.seeds), ("steps", self.steps), ("comparisons with the model", self.heals)]
        rows += [(f"  {name}", sum(self.counts[each] for each in counted)) for name, counted in _FAULTS]
        rows += [(name, kinds[kind]) for name, kind in _PROMISES]
        rows.append(("other violations", sum(count for kind, count in kinds.items() if kind not in named)))
        return "\n".join(f"{name:<48}{count:>12,}" for name, count in rows)

    def write(self, path: Path) -> None:
        """For programs."""
        counts = {" ".join(map(str, name)) if isinstance(name, tuple) else name: n for name, n in self.counts.items()}
        path.write_text(json.dumps(asdict(replace(self, counts=Counter())) | {"counts": counts}, indent=1))


def outcomes(seeds: Sequence[int], steps: int, jobs: int, stop: Stop, mutant: str | None = None) -> Iterator[Outcome]:
    """Run the seeds, each one whole, in any order; once it is to stop, no more of them."""
    return _spread(partial(_run_to_its_end, steps=steps, mutant=mutant), seeds, jobs, stop)


def _run_to_its_end(seed: int, stop: Stop, steps: int, mutant: str | None) -> Outcome | None:
    """A seed that ends with an exception must not take the whole campaign along."""
    if stop:
        return None
    try:
        return run_quietly(seed, steps, mutant)
    except Exception as error:
        return Outcome(seed, violations=[Violation("crash", repr(error))])


@dataclass(frozen=True, slots=True)
class Catch:
    """A planted bug, and the first seed that showed it by a violation of its kind; None: none of them did."""

    bug: str
    seed: int | None
    words: str = ""


def hunt(jobs: int, seeds: range, steps: int, stop: Stop, bugs: Sequence[str] = ()) -> Iterator[Catch]:
    """Look for each of some planted bugs, or of all, in these seeds at most; one cut off by a stop is left out."""
    return _spread(partial(_hunt_one, seeds=seeds, steps=steps), bugs or tuple(mutants.MUTANTS), jobs, stop)


def _hunt_one(bug: str, stop: Stop, seeds: range, steps: int) -> Catch | None:
    kinds = mutants.MUTANTS[bug].kinds
    for seed in seeds:
        if stop:
            return None
        for violation in run_quietly(seed, steps, bug).violations:
            if violation.kind in kinds:
                return Catch(bug, seed, f"{violation.kind}: {violation.words}")
    return Catch(bug, None)


def _spread(work: Callable[[T, Stop], R | None], items: Sequence[T], jobs: int, stop: Stop) -> Iterator[R]:
    """Do some work on so many processes, in any order; None is work that was not done because of a stop."""
    if jobs == 1:
        yield from (done for item in items if (done := work(item, stop)) is not None)
        return
    with ProcessPoolExecutor(jobs, initializer=_begin_worker, initargs=(stop,)) as pool:
        try:
            for future in as_completed([pool.submit(_in_worker, work, item) for item in items]):
                if (done := future.result()) is not None:
                    yield done
        finally:
            pool.shutdown(cancel_futures=True)


_worker_stop: list[Stop] = []  # shared memory is handed to a process as it begins, not with its work


def _begin_worker(stop: Stop) -> None:
    stop.listen_as_worker()
    _worker_stop.append(stop)


def _in_worker(work: Callable[[T, Stop], R | None], item: T) -> R | None:
    return work(item, _worker_stop[0])


def run_quietly(seed: int, steps: int, mutant: str | None = None) -> Outcome:
    """One seed without a word in the log, with a planted bug if one is named."""
    gc.set_threshold(*_RARELY)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with mutants.planted(mutant):
        return run(seed, steps)
