"""The HTTP server in a thread of the daemon. It asks the database like anybody else and never waits for the feed."""

import asyncio
import os
import socket

import uvicorn

from bwm.api.app import App
from bwm.api.connections import GuardedProtocol
from bwm.api.v1.operation import Surroundings
from bwm.api.writes import Writes
from bwm.config_api import ApiConfig, Listen
from bwm.daemon.loop import Loop
from bwm.errors import BwmError

_BACKLOG = 256
_HEAD = 16 * 1024  # bytes of a request's head
_STOP_S = 2  # for answers under way


class ApiServer(Loop):
    """Serves until stopped. Two threads: this one, and the one that writes."""

    def __init__(self, config: ApiConfig, around: Surroundings) -> None:
        """Raises BwmError when the address cannot be had."""
        super().__init__("api")
        self._config = config
        self._writes = Writes(around.database)
        self._app = App(config, around, self._writes)
        self._socket = _listen(config.listen)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                http=GuardedProtocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=True,
                h11_max_incomplete_event_size=_HEAD,
                timeout_keep_alive=10,
                timeout_graceful_shutdown=_STOP_S,
            )
        )

    def stop(self) -> None:
        """End after the answers under way."""
        self._server.should_exit = True

    def _work(self) -> None:
        self._writes.start()
        try:
            asyncio.run(self._serve())
        finally:
            self._writes.stop()
            self._app.close()
            _forget(self._config.listen, self._socket)
            self._writes.join(timeout=_STOP_S)

    async def _serve(self) -> None:
        watch = asyncio.create_task(self._watch_writes())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            watch.cancel()
        if self._writes.failure is not None:
            raise self._writes.failure

    async def _watch_writes(self) -> None:
        while self._writes.failure is None:
            await asyncio.sleep(0.5)
        self._server.should_exit = True


def _listen(listen: Listen) -> socket.socket:
    where = str(listen.path or f"{listen.host}:{listen.port}")
    try:
        return _unix_socket(listen) if listen.path else _tcp_socket(listen)
    except OSError as error:
        raise BwmError(
            f"The API cannot listen on {where}: {error.strerror or error}. Give [api] another address, or end what "
            "listens there."
        ) from error


def _tcp_socket(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((listen.host, listen.port))
        found.listen(_BACKLOG)
    except OSError:
        found.close()
        raise
    found.setblocking(False)
    return found


def _unix_socket(listen: Listen) -> socket.socket:
    """In a folder that only we can enter: a socket's own mode is not heeded everywhere."""
    assert listen.path is not None
    folder = listen.path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    if status.st_mode & 0o007 or status.st_uid not in (0, os.geteuid()):
        raise OSError(None, f"others can enter {folder}; run: chmod 700 {folder}")
    if listen.path.is_socket():
        listen.path.unlink()  # of a daemon before this one: the lock says that it is dead
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.bind(str(listen.path))
        listen.path.chmod(0o660)
        found.listen(_BACKLOG)
    except OSError:
        found.close()
        raise
    found.setblocking(False)
    return found


def _forget(listen: Listen, found: socket.socket) -> None:
    found.close()
    if listen.path is not None:
        listen.path.unlink(missing_ok=True)
