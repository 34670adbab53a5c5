"""What bwm acts by, so that a change of it can be told: the policies, and the programs that they run. Pure."""

from collections.abc import Iterable, Mapping

from bwm.event import Event, fact_key
from bwm.policy.rule import Policy
from bwm.policy.words import listed

CHANGED = "policy.changed"


def programs_of(policies: Iterable[Policy]) -> tuple[str, ...]:
    """The paths of all programs that policies run."""
    hooks = [step.target for policy in policies for _, step in policy.deeds if step.action == "hook"]
    plugins = [policy.plugin.program for policy in policies if policy.plugin]
    return tuple(dict.fromkeys((*hooks, *plugins)))


def fingerprint(policies: Iterable[Policy], digests: Mapping[str, str]) -> dict[str, str]:
    """Every policy with its version, and every program with the digest of its bytes."""
    return {
        **{f"policy {policy.name}": policy.version for policy in policies},
        **{f"program {path}": digest for path, digest in digests.items()},
    }


def change(before: Mapping[str, str], after: Mapping[str, str], network: str, now: int) -> Event | None:
    """The event that says what is new, changed or gone; None when nothing is."""
    verbs = {
        "new": [name for name in after if name not in before],
        "changed": [name for name in after if name in before and after[name] != before[name]],
        "gone": [name for name in before if name not in after],
    }
    words = [f"{verb}: {listed(sorted(names))}" for verb, names in verbs.items() if names]
    if not words:
        return None
    return Event(
        key=fact_key(network, CHANGED, sorted(before.items()), sorted(after.items()), now),
        kind=CHANGED,
        at=now,
        network=network,
        reason=f"what bwm acts by was changed ({'; '.join(words)})",
        detail={"case": f"{CHANGED}/{now}", **{verb: sorted(names) for verb, names in verbs.items() if names}},
    )
