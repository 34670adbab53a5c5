"""The sentences of the code that the catalogues must translate, collected from the code."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import bwm

PACKAGE = Path(bwm.__file__).parent
LOCALE = PACKAGE / "locale"


def sentences() -> set[str]:
    """What is marked or said; of what is counted, the singular."""
    return {texts[0] for _, texts in calls()}


def plurals() -> dict[str, str]:
    """Of what is counted: the plural by its singular."""
    return {texts[0]: texts[1] for name, texts in calls() if name == "count"}


@cache
def calls() -> tuple[tuple[str, list[str]], ...]:
    """Every call that hands a sentence to a language, with the sentences."""
    return tuple(_calls())


def _calls() -> Iterator[tuple[str, list[str]]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := _name(node.func)) in ("say", "mark", "count"):
                texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                sentences = [text for text in texts if isinstance(text, str)]
                if len(sentences) >= (2 if name == "count" else 1):  # else it is the count of a text or a list
                    yield name, sentences


def _name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""
