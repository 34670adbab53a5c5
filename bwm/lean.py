"""Packages that others load as soon as they find them: left out, or put off, until somebody wants them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Whoever is loaded inside finds none of these packages, unless they were loaded before."""
    loaded: dict[str, Any] = sys.modules  # None stands for what cannot be found
    hidden = [name for name in packages if name not in loaded]
    loaded.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del loaded[name]


@contextmanager
def later(package: str, *names: str) -> Iterator[None]:
    """Whoever is loaded inside gets these functions or classes of a package that is loaded when one is called.

    Only for what is called and nothing else: a class from here is none that anything could be an instance of.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = stand_in = ModuleType(package)
    for name in names:
        setattr(stand_in, name, _calling(package, name))
    try:
        yield
    finally:
        del sys.modules[package]


def _calling(package: str, name: str) -> Callable[..., Any]:
    return lambda *positional, **named: getattr(import_module(package), name)(*positional, **named)


@contextmanager
def put_off(package: str) -> Iterator[None]:
    """Whoever imports this package inside has it loaded only when he first uses something of it."""
    loaded = sys.modules
    if package in loaded:
        yield
        return
    promise = ModuleType(package)

    def withdraw() -> None:
        if loaded.get(package) is promise:
            del loaded[package]

    def keep(name: str) -> Any:
        withdraw()
        return getattr(import_module(package), name)

    promise.__getattr__ = keep  # type: ignore[method-assign]
    loaded[package] = promise
    try:
        yield
    finally:
        withdraw()
