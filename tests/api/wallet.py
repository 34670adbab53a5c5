"""A RewindBitcoin wallet as the server meets it, and a caller who may send anything at all."""

import http.client
import json
import socket
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What the server said. Names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def post(port: int, path: str, content: Any, headers: dict[str, str] | None = None) -> Answer:
    """JSON to a path."""
    return ask(port, "POST", path, json.dumps(content).encode(), JSON | (headers or {}))


def talk(port: int, raw: bytes, *, until_closed: bool = True, timeout_s: float = 15) -> bytes:
    """Send bytes as they are; what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as line:
        line.sendall(raw)
        found = b""
        while piece := line.recv(65536):
            found += piece
            if not until_closed:
                break
        return found


def vault(*txids: str, number: int = 1, name: str | None = None, **more: Any) -> dict[str, Any]:
    """One vault as the app sends it."""
    return {"vaultId": name or f"02{uuid4().hex * 2}", "vaultNumber": number, "triggerTxIds": list(txids), **more}


@dataclass
class Wallet:
    """One telephone with one wallet."""

    port: int
    network: str = "regtest"
    token: str = field(default_factory=lambda: f"ExponentPushToken[{uuid4().hex[:22]}]")
    uuid: str = field(default_factory=lambda: str(uuid4()))
    name: str = "Savings"
    locale: str | None = "en-US"

    @property
    def base(self) -> str:
        """What the wallet calls the tower by."""
        return f"http://127.0.0.1:{self.port}/{self.network}/watchtower"

    def registration(self, *vaults: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """The body of a registration; a change to None leaves the field out."""
        body = {
            "pushToken": self.token,
            "walletUUID": self.uuid,
            "walletName": self.name,
            "watchtowerId": self.base,
            "locale": self.locale,
            "vaults": list(vaults),
        } | changes
        return {key: value for key, value in body.items() if value is not None}

    def _post(self, what: str, content: Any) -> Answer:
        return post(self.port, f"/{self.network}/watchtower/{what}", content)

    def register(self, *vaults: dict[str, Any], **changes: Any) -> Answer:
        return self._post("register", self.registration(*vaults, **changes))

    def ack(self, name: str) -> Answer:
        return self._post("ack", {"pushToken": self.token, "vaultId": name})

    def notifications(self) -> list[dict[str, Any]]:
        answer = self._post("notifications", {"pushToken": self.token})
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.json["notifications"]
        return found
