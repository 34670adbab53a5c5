"""What a worker process does: send what the daemon hands it, several at once, until the line closes."""

import json
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from bwm.channels.sending.wire import MAX_PACKET, STARTED, Answer, Request

THREADS = 32
STACK_BYTES = 1 << 20
DATA_LIMIT_BYTES = 256 << 20
"""An endless answer from a receiver ends the worker's send, not the machine."""

IDLE_S = 60
"""After so long without a request the worker ends; the next message gets a new one."""


def serve(line: socket.socket, module: str) -> NoReturn:
    """Answer the requests on ``line`` with ``module.answer``; ends the process and never returns.

    Each request comes with the line on which its sender waits. This thread only reads, so the daemon's end is
    noticed even while every sending thread hangs.
    """
    try:
        _be_modest()
        _serve(line, import_module(module).answer)
    finally:
        os._exit(0)  # not sys.exit: this must not wait for hanging threads, nor run what the parent had planned


def _serve(line: socket.socket, answer: Callable[[Request], Answer]) -> None:
    pool = ThreadPoolExecutor(THREADS)
    line.settimeout(IDLE_S)
    with suppress(TimeoutError, ConnectionError):
        while True:
            data, fds, _, _ = socket.recv_fds(line, MAX_PACKET, 1, socket.MSG_CMSG_CLOEXEC)
            if not data:
                return
            pool.submit(_handle, data, socket.socket(fileno=fds[0]), answer)


def _handle(data: bytes, reply: socket.socket, answer: Callable[[Request], Answer]) -> None:
    with reply, suppress(OSError):  # the asker may have given up: then nothing is sent at all
        reply.send(STARTED)
        reply.send(json.dumps(answer(json.loads(data))).encode())


def _be_modest() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 2)  # what a library prints may hold a part of a URL
    os.close(nothing)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    threading.stack_size(STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT_BYTES, DATA_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
