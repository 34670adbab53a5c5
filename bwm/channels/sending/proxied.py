"""What goes through the Tor proxy, and that nothing else leaves: for one thread of a sending process at a time."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")


class _Here(threading.local):
    """The proxy that this thread must use, with its host and port; None: it may go straight."""

    proxy: str | None = None
    address: tuple[str, int] | None = None


_here = _Here()


class WentAround(PermissionError):
    """Something tried to reach the outside without the proxy. Nothing was sent."""


@contextmanager
def only_through(proxy: str) -> Iterator[None]:
    """Nothing that this thread does leaves but through the proxy (``socks5h://host:port``; "": it may go straight)."""
    if not proxy:
        yield
        return
    parts = urlsplit(proxy)
    _here.proxy, _here.address = proxy, (parts.hostname or "", parts.port or 0)
    try:
        yield
    finally:
        _here.proxy = _here.address = None


def current() -> str | None:
    """The proxy of this thread."""
    return _here.proxy


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578): called by the interpreter itself before it connects or looks a name up."""
    if _here.address is None:
        return
    if event in _CONNECTING:
        is_allowed = tuple(arguments[1][:2]) == _here.address if isinstance(arguments[1], tuple) else False
    elif event == "socket.getaddrinfo":
        is_allowed = arguments[0] == _here.address[0]
    elif event in ("socket.gethostbyname", "socket.gethostbyaddr", "subprocess.Popen"):
        is_allowed = False
    else:
        return
    if not is_allowed:
        raise WentAround("this does not go through the Tor proxy")


sys.addaudithook(_guard)
