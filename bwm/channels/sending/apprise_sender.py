"""One message through Apprise. Loaded only in the sending processes, never in the daemon.

Each message gets a new plugin object, notified in the calling thread: Apprise's own pool would let slow
services hold up the others, and an object that is used twice sleeps some seconds before its second message, and may
keep something of the first. Only what a URL means is remembered.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from functools import cache, lru_cache
from importlib import import_module
from typing import Any
from urllib.parse import unquote

import apprise
import requests
from apprise.manager_plugins import NotificationManager
from apprise.plugins import NotifyBase, url_to_dict
from apprise.utils import pgp

from bwm.channels.sending import proxied
from bwm.channels.sending.listening import Listener, ListeningAdapter, heard
from bwm.channels.sending.text import one_line
from bwm.channels.sending.thread import with_thread
from bwm.channels.sending.urgency import with_urgency
from bwm.channels.sending.wire import Answer, Request
from bwm.errors import ConfigError

LOCAL_EFFECT = ("blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows")
"""Services that act on this machine instead of reaching a person: never what a channel is for."""

CONNECT_LIMIT_S = 5.0
READ_LIMIT_S = 10.0

WORDS_LIMIT = 300

NOTIFY_TYPE = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
}
"""All that is more severe counts as a failure, the strongest that Apprise has."""

ASSET = apprise.AppriseAsset(
    app_id="bwm",
    app_desc="bitcoin wallet monitor",
    app_url="",
    image_url_mask="",  # no phone shall fetch an icon from elsewhere when an alert comes
    image_url_logo="",
    http_redirects=False,
    storage_mode="memory",
    interpret_emojis=False,
)

_SERVICES = "apprise.plugins."

SCHEMA = re.compile(r"([a-z][a-z0-9]{1,11})://", re.IGNORECASE)


class Unusable(ConfigError):
    """The URL can never work; the words say why and hold no part of it but its schema."""


# Apprise declares no types for these two.
parse_url: Callable[[str], Mapping[str, Any] | None] = url_to_dict
plugin_manager: Callable[[], Any] = NotificationManager


def answer(request: Request) -> Answer:
    """Carry out one request; never raises."""
    heard.forget()
    try:
        plugin = plugin_for(request)
        with proxied.only_through(request["proxy"]):
            if request["order"] == "check" or _notify(plugin, request):
                return _answer("done", request)
        return _answer("uncertain" if heard.uncertain else "later", request)
    except Unusable as problem:
        heard.words = [str(problem)]
        return _answer("refused", request)
    except Exception as error:  # noqa: BLE001 - plugins of many authors may raise anything, at any point of a send
        heard.words.append(type(error).__name__)
        return _answer("uncertain", request)


def plugin_for(request: Request) -> NotifyBase:
    """A new plugin object for one message. Raises Unusable."""
    service = _service(request["url"])
    if request["proxy"] and not _uses_requests(PLUGINS[service]):
        raise Unusable(f"{service}:// cannot go through the Tor proxy: name another service, or remove tor")
    if "pgp" in request["url"].lower():
        _load_pgp()
    url = with_urgency(request["url"], service, request["severity"])
    plugin = _instantiate(with_thread(url, service, request["alert"]))
    if plugin is None:
        raise Unusable(f"Apprise does not understand the rest of this {service}:// URL: compare it with its manual")
    if _encrypts(plugin):
        _refuse_if_it_cannot_encrypt(plugin)
    plugin.request_rate_per_sec = 0  # several receivers in one URL: no sleep between them either
    plugin.socket_connect_timeout = CONNECT_LIMIT_S
    plugin.socket_read_timeout = READ_LIMIT_S
    return plugin


@cache  # a worker serves one channel, and to understand its URL is a tenth of the work of a message
def _service(url: str) -> str:
    """The schema of the service that a URL stands for. Raises Unusable."""
    found = SCHEMA.match(url)
    if found is None:
        raise Unusable("this is not an Apprise URL: it must begin with a service, like ntfy://")
    given = parse_url(url)
    schema = str(given["schema"]) if given else found[1].lower()
    if schema in LOCAL_EFFECT:
        raise Unusable(f"{schema}:// acts on this machine only and reaches nobody: name another service")
    if schema not in PLUGINS:
        raise Unusable(f"Apprise knows no service {schema}://: check its spelling")
    if not PLUGINS[schema].enabled:
        raise Unusable(f"{schema}:// needs a Python package that is not installed: see the Apprise manual")
    return schema


def _instantiate(url: str) -> NotifyBase | None:
    """A new object of a service; None if Apprise does not understand its URL.

    What Apprise's own way does besides, such as making the URL fit for a log that nobody writes, takes longer.
    """
    given = _meaning(url)
    if given is None:
        return None
    arguments = {**deepcopy(given), "asset": ASSET, "tag": set()}  # services may change what they are given
    try:
        plugin: NotifyBase = PLUGINS[arguments["schema"]](**arguments)
    except Exception:  # noqa: BLE001 - each service has its own way to say that it cannot be used like this
        return None
    return plugin


@lru_cache(maxsize=8)  # in a flood nearly all messages have the same; to read it is a tenth of the work of a message
def _meaning(url: str) -> Mapping[str, Any] | None:
    """What a URL says to its service; None if Apprise does not understand it."""
    return parse_url(url)


def _uses_requests(plugin: type[NotifyBase]) -> bool:
    """Whether a service is spoken to over HTTP, which is all that we can lead through a proxy."""
    modules = (sys.modules[base.__module__] for base in plugin.__mro__ if base.__module__.startswith(_SERVICES))
    return any(hasattr(module, "requests") for module in modules)


def _encrypts(plugin: NotifyBase) -> bool:
    """Whether the operator wants its mail encrypted (``?pgp=encrypt&pgppub=...``)."""
    return getattr(plugin, "pgp_mode", "none") == "encrypt"


def _load_pgp() -> None:
    """Give Apprise what it was loaded without, if it is installed."""
    found: Any = pgp
    if not found.PGP_SUPPORT:
        with suppress(ImportError):
            found.pgpy = import_module("pgpy")
            found.PGP_SUPPORT = True


def _refuse_if_it_cannot_encrypt(plugin: Any) -> None:
    if not pgp.PGP_SUPPORT:
        raise Unusable("to encrypt mail the package PGPy is missing: install bwm with its extra, bwm[pgp]")
    if plugin.pgp_key and plugin.pgp.public_key() is None:
        raise Unusable("the OpenPGP key that it names cannot be read: give the path of a file with a public key")


def _notify(plugin: NotifyBase, request: Request) -> bool:
    title, body = request["title"], request["body"]
    if _encrypts(plugin):  # the subject of a mail never is
        title, body = "bwm", f"{title}\n\n{body}"
    return plugin.notify(
        title=title,
        body=body,
        notify_type=NOTIFY_TYPE.get(request["severity"], apprise.NotifyType.FAILURE),
        body_format=apprise.NotifyFormat.TEXT,  # so that markup in it is escaped where a service reads markup
    )


def _answer(result: Any, request: Request) -> Answer:
    words = "; ".join(dict.fromkeys(heard.words)) or "no reason given"
    words = one_line(_hide(words, request["url"]), WORDS_LIMIT)  # a part of them may be the receiver's own
    return {"result": result, "words": words, "wait_s": heard.wait_s}


def _hide(words: str, url: str) -> str:
    """The words without any part of the URL that is long enough to be a secret; its schema may stay."""
    schema, _, rest = url.partition("://")
    parts = {part for text in (rest, unquote(rest)) for part in re.split(r"[/:@?&=#,+ ]", text)}
    for part in sorted(parts - {schema}, key=len, reverse=True):
        if len(part) >= 3:
            words = words.replace(part, "***")
    return words


def _load() -> Any:
    # Each requests session makes its adapter from this name; there is no other way to be in all of them.
    requests.sessions.HTTPAdapter = ListeningAdapter  # type: ignore[assignment, attr-defined]
    logger = logging.getLogger("apprise")
    logger.addHandler(Listener(logging.WARNING))
    logger.propagate = False
    plugins = plugin_manager()
    plugins.load_modules()
    plugins.disable(*LOCAL_EFFECT)
    return plugins


PLUGINS = _load()
