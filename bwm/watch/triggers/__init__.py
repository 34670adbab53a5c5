"""The kinds of triggers, one file each, found by walking this folder. A file that will not load stops the start.

A kind is a module with ``NAME`` and ``match(tx, index)``, which yields one Match for each trigger of its kind that
the transaction touches.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from bwm.chain.tx import Tx
from bwm.watch.watch import Match, WatchIndex


class Kind(Protocol):
    """What a module of this folder offers."""

    NAME: str

    def match(self, tx: Tx, index: WatchIndex) -> Iterator[Match]:
        """One match for each trigger of this kind that ``tx`` touches."""


def _walk() -> dict[str, Kind]:
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {module.NAME: cast("Kind", module) for module in modules if hasattr(module, "NAME")}


KINDS = _walk()
