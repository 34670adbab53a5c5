"""What a worker process does: send what the daemon hands it, several at once, until the line closes."""

import json
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from bwm.channels.sending.wire import MAX_PACKET, Answer, Request

THREADS = 32
SPARE = 2
"""Threads that wait from the start on, so that the first request finds one and need not start the next."""

STACK_BYTES = 1 << 20
DATA_LIMIT_BYTES = 256 << 20
"""An endless answer from a receiver ends the worker's send, not the machine."""

IDLE_S = 60
"""After so long without a request the worker ends; the next message gets a new one."""


def serve(line: socket.socket, module: str) -> NoReturn:
    """Answer the requests on ``line`` with ``module.answer``; ends the process and never returns."""
    try:
        _be_modest()
        _Crew(line, import_module(module).answer).serve()
    finally:
        os._exit(0)  # not sys.exit: this must not wait for hanging threads, nor run what the parent had planned


class _Crew:
    """The sending threads. Each takes its requests from the line itself: to be handed them would cost a switch more.

    One waits at the line as long as not all are busy. When one ends, the process ends.
    """

    def __init__(self, line: socket.socket, answer: Callable[[Request], Answer]) -> None:
        self._line = line
        self._answer = answer
        self._lock = threading.Lock()
        self._waiting = 0
        self._busy = 0
        self._taken_at = time.monotonic()

    def serve(self) -> None:
        """Return when the daemon's end is gone, which is noticed even while every thread hangs, or after IDLE_S."""
        self._line.settimeout(None)
        with self._lock:  # whoever finds a request at once shall count both
            for _ in range(SPARE):
                self._start_one()
        end = select.poll()
        end.register(self._line, 0)  # wakes when the other end is closed, and not for a request
        while not end.poll(1000 * max(0.0, self._taken_at + IDLE_S - time.monotonic())):
            with self._lock:
                if time.monotonic() >= self._taken_at + IDLE_S:
                    os._exit(0)  # with the lock: whoever is here with a request has not begun it, and now never will

    def _start_one(self) -> None:
        threading.Thread(target=self._work, daemon=True).start()
        self._waiting += 1  # with the lock, so it cannot have begun to count before

    def _work(self) -> None:
        try:
            while reply := self._take():
                _handle(reply, self._answer)
                with self._lock:
                    self._busy -= 1
                    self._waiting += 1
        finally:
            os._exit(0)

    def _take(self) -> socket.socket | None:
        """The line on which the next request lies and its sender waits; None when the daemon's end is gone."""
        data, fds, _, _ = socket.recv_fds(self._line, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return None
        with self._lock:
            self._taken_at = time.monotonic()
            self._waiting -= 1
            self._busy += 1
            if not self._waiting and self._busy < THREADS:
                with suppress(RuntimeError):  # no more threads can be had: those that are there go on taking turns
                    self._start_one()
        return socket.socket(fileno=fds[0])


def _handle(reply: socket.socket, answer: Callable[[Request], Answer]) -> None:
    with reply, suppress(OSError):
        request = reply.recv(MAX_PACKET)  # what is left unread has surely not been begun
        if not _is_given_up(reply):
            reply.send(json.dumps(answer(json.loads(request))).encode())


def _is_given_up(reply: socket.socket) -> bool:
    """Whether the asker went away before it could see that the request was taken: then nothing may be sent."""
    end = select.poll()
    end.register(reply, 0)
    return bool(end.poll(0))


def _be_modest() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 2)  # what a library prints may hold a part of a URL
    os.close(nothing)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    threading.stack_size(STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT_BYTES, DATA_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
