"""Services on loopback that play the ones that reach people, each by its own protocol, honest about what they got."""

import json
import re
import socket
import socketserver
import threading
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from regtest.node import wait_until
from regtest.receiver import Behaviour, Received


def answer(content: Mapping[str, Any]) -> Behaviour:
    """200 with a JSON document."""

    def behave(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        body = json.dumps(content).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


NTFY = answer({"id": "1", "event": "message"})
TELEGRAM = answer({"ok": True, "result": {"message_id": 1}})
PUSHOVER = answer({"status": 1, "request": "r"})
MATRIX = answer(
    {
        "access_token": "token",
        "home_server": "localhost",
        "user_id": "@bwm:localhost",
        "device_id": "D",
        "room_id": "!room:localhost",
        "joined_rooms": ["!room:localhost"],
        "event_id": "$event",
    }
)
EXPO = answer({"data": {"status": "ok", "id": "ticket"}})


def told_by(kind: str, received: list[Received]) -> list[str]:
    """The messages that a service shows its person: title and text."""
    match kind:
        case "ntfy":
            return [f"{one.json['title']}\n{one.json['message']}" for one in received]
        case "telegram":
            return [one.json["text"] for one in received if one.path.endswith("/sendMessage")]
        case "pushover":
            forms = [parse_qs(one.body.decode()) for one in received]
            return [f"{form['title'][0]}\n{form['message'][0]}" for form in forms]
        case "matrix":
            return [one.json["body"] for one in received if "/send/m.room.message/" in one.path]
        case "expo":
            return [f"{one.json['title']}\n{one.json['body']}" for one in received]
        case "webhook":
            return [f"{one.json['title']}\n{one.json['body']}" for one in received]
    raise ValueError(kind)


class _Stopping:
    """A threaded TCP server that runs within a ``with``."""

    def __init__(self, handler: type[socketserver.BaseRequestHandler]) -> None:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.owner = self  # type: ignore[attr-defined]
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client that submits a mail needs."""

    def handle(self) -> None:
        self._say("220 localhost")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self._say("354 go on")
                self._take()
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 localhost")

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.server.owner.mails.append(mail)  # type: ignore[attr-defined]
        self._say("250 taken")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


class MailServer(_Stopping):
    """Takes every mail."""

    def __init__(self) -> None:
        super().__init__(_Smtp)
        self.mails: list[EmailMessage] = []

    def url(self, more: str = "") -> str:
        """An Apprise URL that leads here."""
        return f"mailto://127.0.0.1:{self.port}?from=bwm@example.org&to=you@example.net{more}"

    def texts(self) -> list[str]:
        """Subject and text of every mail."""
        bodies = [(mail, mail.get_body(("plain", "html"))) for mail in self.mails]
        return [f"{mail['Subject']}\n{body.get_content() if body else ''}" for mail, body in bodies]

    def wait_for(self, count: int = 1) -> list[EmailMessage]:
        """The mails, as soon as there are so many."""
        wait_until(lambda: len(self.mails) >= count, f"the arrival of {count} mail(s)", every_s=0.01)
        return self.mails


class _Socks(socketserver.BaseRequestHandler):
    """SOCKS5 (RFC 1928) without a password, for names only: what a Tor proxy offers."""

    def handle(self) -> None:
        version, count = self._exactly(2)
        assert version == 5
        self._exactly(count)
        self.request.sendall(b"\x05\x00")
        _, command, _, kind = self._exactly(4)
        assert command == 1
        host = self._exactly(self._exactly(1)[0]).decode() if kind == 3 else socket.inet_ntoa(self._exactly(4))
        port = int.from_bytes(self._exactly(2), "big")
        proxy: Proxy = self.server.owner  # type: ignore[attr-defined]
        proxy.asked.append((host, port))
        target = proxy.leads_to.get(host)
        if target is None:
            self.request.sendall(b"\x05\x04\x00\x01" + bytes(6))  # host unreachable
            return
        with socket.create_connection(("127.0.0.1", target)) as far:
            self.request.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pass_on, args=(far, self.request), daemon=True)
            back.start()
            _pass_on(self.request, far)
            back.join(5)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (more := self.request.recv(count - len(data))):
                raise ConnectionError
            data += more
        return data


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class Proxy(_Stopping):
    """A SOCKS5 proxy that plays Tor: names lead to servers on loopback, and it remembers what was asked."""

    def __init__(self, leads_to: Mapping[str, int]) -> None:
        """``leads_to``: the port on loopback by host name; any other name cannot be reached."""
        super().__init__(_Socks)
        self.leads_to = dict(leads_to)
        self.asked: list[tuple[str, int]] = []


def alert_of(text: str) -> str:
    """The id of the alert that a message is about."""
    found = re.search(r"\balert (\w+)", text)
    assert found, text
    return found[1]
