"""Questions to the node over JSON-RPC, from any thread. The only module that knows python-bitcoinrpc.

A proxy of that library is lost after any broken connection and must not be shared between threads. So each
thread keeps one connection of its own, a proxy lives for one call, and whatever breaks is thrown away.
"""

import json
import logging
import threading
from binascii import unhexlify
from collections.abc import Callable, Sequence
from decimal import Decimal
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bitcoinrpc.authproxy import AuthServiceProxy, JSONRPCException

from bwm.errors import ConfigError, NodeDown, NodeForbidden, NodeRefused, NodeUnauthorized, NodeWarmingUp
from bwm.node.connection import RpcConnection
from bwm.node.credentials import Credentials, basic_authorization

logging.getLogger("BitcoinRPC").setLevel(logging.WARNING)  # below, it prints parameters and results

_T = TypeVar("_T")
_Talk = Callable[[RpcConnection, float], _T]

# Beginnings of methods that only ask, so that asking twice is harmless. All others are sent at most once.
_READS = ("get", "test", "derive", "validate", "decode", "estimate", "scan", "waitfor", "uptime")

_HEADERS = {"Authorization": "", "Content-Type": "application/json"}  # RpcConnection writes the credentials

_RESULT = b'"result":"'  # the node writes JSON without spaces

_WARMING_UP = -28
_NO_ANSWER = (-342, -343)  # python-bitcoinrpc's own codes for what is no JSON-RPC answer


class _Dropped(NodeDown):
    """A connection kept from an earlier call broke: the node closes idle ones, and all when it stops."""


class Rpc:
    """The JSON-RPC of one node.

    ``url`` is ``http://host:port`` without user and password. ``timeout_s`` is how long the node may stay
    silent before a call fails; a call that is known to be slow gets its own. Results come as the node's JSON
    has them, numbers with a point as Decimal.

    Every call raises NodeDown or one of its kinds when there is no answer, and NodeForbidden when the node's
    whitelist does not allow it.
    """

    def __init__(self, url: str, credentials: Credentials, timeout_s: float = 10.0) -> None:
        self.url = url
        self._host, self._port, self._path = _parts(url)
        # The library wants a user and a password in the URL; RpcConnection writes the true ones.
        self._library_url = url.replace("://", "://:@", 1)
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._of_thread = threading.local()

    @property
    def host(self) -> str:
        """Where the node is, as we reach it."""
        return self._host

    @property
    def port(self) -> int:
        """The port beside it."""
        return self._port

    def call(self, method: str, *params: Any, timeout_s: float | None = None) -> Any:
        """The result of one call. Raises NodeRefused when the node says no."""

        def talk(connection: RpcConnection, limit_s: float) -> Any:
            proxy = AuthServiceProxy(self._library_url, method, limit_s, connection)
            try:
                return proxy(*params)
            except JSONRPCException as error:
                raise _refusal(method, error.error) from None

        return self._exchange((method,), talk, timeout_s)

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]], timeout_s: float | None = None) -> list[Any]:
        """The results of many calls, each (method, parameters), in one request and in the order of the calls.

        Where the node said no to one call, its NodeRefused stands in the place of the result and is not
        raised, for the others count. A call that the whitelist does not allow spoils the whole batch.
        """

        def talk(connection: RpcConnection, limit_s: float) -> list[Any]:
            connection.request("POST", self._path, body, _HEADERS)
            answers = json.loads(connection.getresponse().read(), parse_float=Decimal)
            if not isinstance(answers, list):
                raise ValueError("not the answer to a batch")
            by_id = {answer["id"]: answer for answer in answers}
            return [_result(method, by_id[number]) for number, (method, _) in enumerate(calls)]

        body = json.dumps(
            [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, (method, params) in enumerate(calls)
            ]
        )
        methods = tuple(dict.fromkeys(method for method, _ in calls))
        return self._exchange(methods, talk, timeout_s) if calls else []

    def call_for_bytes(self, method: str, *params: Any) -> bytes:
        """The result of one call that gives a long hexadecimal text, decoded. Raises NodeRefused like ``call``.

        The text is cut out of the answer: to read a block's megabytes as JSON takes four times as long.
        """

        def talk(connection: RpcConnection, limit_s: float) -> bytes:
            connection.request("POST", self._path, body, _HEADERS)
            answer = connection.getresponse().read()
            begin = answer.find(_RESULT) + len(_RESULT)
            if begin < len(_RESULT):
                raise _refusal(method, json.loads(answer)["error"])
            return unhexlify(answer[begin : answer.index(b'"', begin)])

        body = json.dumps({"jsonrpc": "1.0", "id": 0, "method": method, "params": params})
        return self._exchange((method,), talk, None)

    def call_for_part(
        self, method: str, *params: Any, keep: Callable[[dict[str, Any]], Any], timeout_s: float | None = None
    ) -> Any:
        """The result of one call whose answer is large: of each object in it, from the inside out, what ``keep``
        returns is all that stays in memory. Raises NodeRefused like ``call``.
        """

        def talk(connection: RpcConnection, limit_s: float) -> Any:
            connection.request("POST", self._path, body, _HEADERS)
            answer = json.loads(connection.getresponse().read(), parse_float=Decimal, object_hook=part)
            if answer.get("error") is not None:
                raise _refusal(method, answer["error"])
            return answer["result"]

        def part(each: dict[str, Any]) -> Any:
            return each if "error" in each or "code" in each else keep(each)

        body = json.dumps({"jsonrpc": "1.0", "id": 0, "method": method, "params": params})
        return self._exchange((method,), talk, timeout_s)

    def close(self) -> None:
        """Close this thread's connection. The next call opens a new one."""
        connection = self._of_thread.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _exchange(self, methods: tuple[str, ...], talk: _Talk[_T], timeout_s: float | None) -> _T:
        """Talk; and once more if the node had closed the connection, or does not know our cookie any more."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        if not all(method.startswith(_READS) for method in methods):
            # When a kept connection breaks, nobody can tell whether the request had reached the node. What
            # must not be sent twice therefore goes over a fresh one.
            self.close()
        try:
            return self._once(methods, talk, limit_s)
        except (_Dropped, NodeUnauthorized):
            return self._once(methods, talk, limit_s)

    def _once(self, methods: tuple[str, ...], talk: _Talk[_T], limit_s: float) -> _T:
        """Talk over this thread's connection, and keep it only if it is as good as before."""
        kept: RpcConnection | None = self._of_thread.__dict__.pop("connection", None)
        connection = kept or RpcConnection(self._host, self._port, basic_authorization(self._credentials))
        connection.limit(limit_s)
        sound = False
        try:
            result = talk(connection, limit_s)
            sound = True
        except (NodeRefused, NodeWarmingUp):
            sound = True  # an answer like any other
            raise
        except NodeForbidden as error:
            raise NodeForbidden(f"{', '.join(methods)}: {error}") from None
        except TimeoutError:
            raise NodeDown(f"the node at {self.url} did not answer {', '.join(methods)} within {limit_s:g} s") from None
        except (OSError, HTTPException) as error:
            kind = NodeDown if kept is None else _Dropped
            raise kind(
                f"the node at {self.url} cannot be reached ({_words(error)}): start it, or correct its rpc in the "
                "configuration"
            ) from error
        except (ValueError, LookupError, AttributeError, TypeError) as error:  # JSON of some other shape
            raise NodeDown(f"what answers at {self.url} is no node's RPC, or was cut short") from error
        finally:
            if sound:
                self._of_thread.connection = connection
            else:
                connection.close()
        return result


def _parts(url: str) -> tuple[str, int, str]:
    """Host, port and path of an RPC URL. No part of it is repeated in errors: it may hold a password."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.username is not None or parts.password is not None:
        raise ConfigError("the node's RPC URL must not hold user and password: give them on their own")
    if parts.scheme != "http" or not parts.hostname or port is None:
        raise ConfigError("the node's RPC URL must look like http://127.0.0.1:8332, with its port")
    return parts.hostname, port, parts.path


def _refusal(method: str, error: Any) -> NodeRefused | NodeDown:
    """Our error for the node's ``error`` object."""
    code = error.get("code") if isinstance(error, dict) else None
    words = str(error.get("message", "")) if isinstance(error, dict) else str(error)
    if code in _NO_ANSWER:
        return NodeDown(f"what answered {method} is no node's RPC: {words}")
    if code == _WARMING_UP:
        return NodeWarmingUp(f"the node is starting: {words}")
    return NodeRefused(method, code if isinstance(code, int) else 0, words)


def _result(method: str, answer: dict[str, Any]) -> Any:
    """One answer of a batch: its result, or the refusal as a value."""
    if answer.get("error") is None:
        return answer["result"]
    refusal = _refusal(method, answer["error"])
    if not isinstance(refusal, NodeRefused):
        raise refusal
    return refusal


def _words(error: Exception) -> str:
    """What went wrong, in the system's words where it has some."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
