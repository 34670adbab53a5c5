"""Every kind of event that the code can make, collected from the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import bwm
from bwm import check_in, health
from bwm.event import of_sighting
from bwm.guardian.notice import SEVERITY
from bwm.plan_response import SEVERITY as OF_RESPONSES
from bwm.watch.sighting import Sighting, Status
from bwm.watch.watch import Family, Trigger

PACKAGE = Path(bwm.__file__).parent

FAMILIES = (
    "trigger|funds|drill|guardian|vault|response|announcement|alert|channel|deadman|node|tower|peer|"
    "policy|hook|webhook|plugin"
)
"""The first words of kinds."""
KIND = re.compile(rf"(?:{FAMILIES})\.[a-z_]*[a-z]")


def of_events() -> set[str]:
    """All of them: made from tables, or written out."""
    return {*of_sightings(), *with_severity(), *_written_out()}


def of_sightings() -> set[str]:
    """Where a sighting can stand, in each family."""
    trigger = Trigger(1, "script", "address", vault="cold")
    return {
        of_sighting(Sighting(trigger, "txid", family, status, None, "", 0), "regtest", 0).kind
        for family in Family
        for status in Status
    }


def with_severity() -> dict[str, str]:
    """Those whose usual severity stands in a table."""
    tables = (health.severities(), check_in.SEVERITY, SEVERITY, OF_RESPONSES)
    return {kind: str(severity) for table in tables for kind, severity in table.items()}


def of_messages() -> set[str]:
    """Those that are the kind of a message only, and never of an event."""
    return {text.value for call in _calls("Message") for text in _texts(call) if KIND.fullmatch(text.value)}


def _written_out() -> set[str]:
    """Texts in the code that read as a kind, but for lines of the log and kinds of messages."""
    logged = {id(call.args[0]) for call in _calls("log") if call.args}
    texts = (text for tree in _TREES for text in _texts(tree) if id(text) not in logged)
    return {text.value for text in texts if KIND.fullmatch(text.value)} - of_messages()


_TREES = [ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")]


def _calls(name: str) -> Iterator[ast.Call]:
    """Every call of a function, or of an object's method."""
    for node in (node for tree in _TREES for node in ast.walk(tree)):
        if isinstance(node, ast.Call):
            called = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            if isinstance(called, ast.Name) and called.id == name:
                yield node


def _texts(tree: ast.AST) -> Iterator[ast.Constant]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
