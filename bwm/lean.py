"""Optional packages that others load as soon as they find them: left out until somebody wants them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
