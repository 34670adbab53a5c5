"""The process that loads Apprise once and forks a worker each time the daemon asks for one.

Started as ``python -m bwm.channels.sending.fork_server`` with its line to the daemon as standard input. The
daemon itself never loads Apprise. Each packet names the module whose ``answer`` the new worker shall serve;
what goes back is the worker's line and a pidfd, by which the daemon can kill exactly that process.

The standard library's fork server is not used: it runs the daemon's main module again in every worker, hands
on the daemon's whole environment, and needs one more process.
"""

import gc
import os
import signal
import socket
import warnings
from contextlib import suppress
from importlib import import_module

from bwm.channels.sending import worker
from bwm.channels.sending.wire import MAX_PACKET, packet_pair
from bwm.lean import later, without

PRELOADED = ("bwm.channels.sending.apprise_sender", "netrc")
"""The second would else be loaded by each worker, for its first request."""

UNWANTED = ("pgpy", "charset_normalizer", "chardet")
"""The first takes a third of the memory of all this, and hardly anybody encrypts mail. The others guess the encoding of
an answer that does not name it, which is then taken for UTF-8."""


def main() -> None:
    """Fork workers until the daemon closes its end, which it also does by dying."""
    line = socket.socket(fileno=os.dup(0))
    _stand_apart()
    with without(*UNWANTED), later("requests_oauthlib", "OAuth1"), warnings.catch_warnings():  # OAuth1: of twitter://
        warnings.simplefilter("ignore")  # that requests cannot guess encodings
        for name in PRELOADED:
            import_module(name)
    gc.freeze()  # a collection would touch, and so copy, every page that the workers share
    with suppress(BrokenPipeError, ConnectionResetError):  # it died while it waited for a worker
        while module := line.recv(MAX_PACKET):
            _fork_worker(line, module.decode())


def _fork_worker(line: socket.socket, module: str) -> None:
    ours, theirs = packet_pair()
    with ours, theirs:
        pid = os.fork()
        if pid == 0:
            line.close()
            theirs.close()
            worker.serve(ours, module)
        pidfd = os.pidfd_open(pid)
        try:
            socket.send_fds(line, [b"worker"], [theirs.fileno(), pidfd])
        finally:
            os.close(pidfd)


def _stand_apart() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # The daemon decides when to stop, and closes the line then; a signal to the whole group is not for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a worker that has ended leaves nothing to collect


if __name__ == "__main__":
    main()
