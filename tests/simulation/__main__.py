"""Replay one seed, or run a campaign: see ``python -m tests.simulation --help``."""

import argparse
import math
import os
import sys
import time
from pathlib import Path

from tests.simulation import mutants_responses as mutants
from tests.simulation.campaign import REPLAY, Report, hunt, outcomes, run_quietly
from tests.simulation.simulation import Outcome
from tests.simulation.stopping import Stop

_HASH_SEED = "PYTHONHASHSEED"


def main() -> int:
    """Exit code 0 when no promise was broken, 130 or 143 when Ctrl-C or SIGTERM ended it before its time."""
    options = _options()
    if os.environ.get(_HASH_SEED) != "0":  # the order of sets is part of what a seed decides
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], os.environ | {_HASH_SEED: "0"}
        )
    if options.seed is not None:
        return _replay(options.seed, options.steps, options.mutant)
    if options.planted is not None:
        return _hunt(options)
    return _campaign(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="bwm in a world of faults.")
    parser.add_argument("--seed", type=int, help="replay this one, and say what happened")
    parser.add_argument("--seeds", type=int, default=100, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no more when so many have passed")
    parser.add_argument("--steps", type=int, default=300, help="in each seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutant", choices=sorted(mutants.MUTANTS), help="plant this bug")
    parser.add_argument(
        "--planted",
        nargs="*",
        choices=sorted(mutants.MUTANTS),
        metavar="BUG",
        help="look for these planted bugs, or for all of them, in so many seeds at most",
    )
    parser.add_argument("--until-failure", action="store_true", help="end with the first seed that breaks a promise")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    return parser.parse_args()


def _replay(seed: int, steps: int, mutant: str | None) -> int:
    outcome = run_quietly(seed, steps, mutant)
    for number, step in enumerate(outcome.trace, 1):
        print(f"{number:>4} {step}")
    for violation in outcome.violations:
        print(f"{violation.kind}: {violation.words}")
    print(f"seed {seed}: {outcome.steps} steps, {len(outcome.violations)} violations")
    return bool(outcome.violations)


def _hunt(options: argparse.Namespace) -> int:
    started, missed, stop = time.monotonic(), 0, Stop()
    stop.listen()
    for catch in hunt(options.jobs, _seeds(options), options.steps, stop, options.planted):
        missed += catch.seed is None
        where = "NOT CAUGHT" if catch.seed is None else f"seed {catch.seed}"
        print(f"{catch.bug:<60}{where:>12}  {catch.words.partition(chr(10))[0][:100]}", flush=True)
    print(f"{'planted bugs not caught':<60}{missed:>12}")
    print(f"{'seconds':<60}{time.monotonic() - started:>12,.0f}")
    return stop.exit_code if stop else bool(missed)


def _seeds(options: argparse.Namespace) -> range:
    return range(options.first, options.first + options.seeds)


def _campaign(options: argparse.Namespace) -> int:
    report, started, stop = Report(), time.monotonic(), Stop()
    stop.listen()
    for outcome in outcomes(_seeds(options), options.steps, options.jobs, stop, options.mutant):
        report.add(outcome, options.steps)
        if outcome.violations:
            _tell(outcome, options.steps)
            if options.until_failure:
                break
        if time.monotonic() - started > 60 * options.minutes:
            break
        if sys.stderr.isatty():
            print(f"\r{report.seeds}/{options.seeds} ", end="", file=sys.stderr)
    print(report.table())
    print(f"{'seconds':<48}{time.monotonic() - started:>12,.0f}")
    if options.json:
        report.write(options.json)
    return stop.exit_code if stop else bool(report.failures)


def _tell(outcome: Outcome, steps: int) -> None:
    first = outcome.violations[0]
    print(f"seed {outcome.seed}, step {outcome.steps}: {first.kind}: {first.words}")
    print(f"  {REPLAY.format(seed=outcome.seed, steps=steps)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
