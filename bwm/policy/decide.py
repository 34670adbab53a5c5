"""An event in, a verdict out: the built-in policies, which make a vault and one channel enough to be warned."""

from bwm.event import Event
from bwm.policy.policy import Surroundings, Verdict
from bwm.severity import Severity


def decide(event: Event, around: Surroundings) -> Verdict:
    """Who must hear of an event, and how loudly; with the reason in words."""
    family = event.kind.partition(".")[0]
    if family == "trigger":
        return _spend(around)
    if family == "funds":
        settled = event.kind == "funds.final"
        return Verdict(Severity.INFO, "built-in: receipts", "coins came in", resolves=settled)
    if family == "guardian":
        settled = event.kind == "guardian.final"  # what its signal means is told by an event of its own
        return Verdict(Severity.INFO, "built-in: guardian", event.reason, resolves=settled)
    return Verdict(None, "built-in: journal only", f"{event.kind} is kept in the journal")


def _spend(around: Surroundings) -> Verdict:
    if around.old_news:
        return Verdict(Severity.INFO, "built-in: spends", "it was final before it was watched", resolves=True)
    if around.is_locked:
        return Verdict(Severity.EMERGENCY, "built-in: spends", "a guardian of the vault is locked")
    return Verdict(around.vault_severity, "built-in: spends", "a watched trigger was touched")
