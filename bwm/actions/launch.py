"""Runs a program with fewer rights, and ends all that it began: a file of its own, with nothing of bwm loaded.

Arguments: the seconds of processor time it may use, the user to become or ``-``, then the program with its own
arguments. Limits are set here, in a fresh process, because to do it between fork and exec is not safe beside threads.

It stays the program's parent, and becomes that of every process that the program leaves without one (a subreaper of
Linux): so a child that begins a session of its own is found and ended like any other. It ends as the program did.
SIGTERM ends the program at once; so does the death of bwm, and the program is run again after the next start.
"""

import ctypes
import os
import pwd
import resource
import signal
import sys
import time
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38  # no setuid program and no file capability raises the rights again
_MIB = 1 << 20
_CANNOT_START = 126  # as a shell has it
_LOOK_EVERY_S = 0.002


class _Ended(BaseException):
    """bwm wants the program to end, or died."""


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _become(name: str) -> None:
    user = pwd.getpwnam(name)
    os.initgroups(name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)  # where the system has none, the rest still holds


def _refuse(error: Exception) -> None:
    os.write(2, f"cannot start: {error}\n".encode())
    os._exit(_CANNOT_START)


def _be(argv: list[str]) -> None:
    """The program itself, in a session of its own: a signal to its whole group does not reach this process."""
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted
    except OSError as error:
        _refuse(error)


def _let_go_of_pipes() -> None:
    """Whoever reads what the program says waits for the program alone."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _children() -> list[int]:
    """Every process whose parent this one is."""
    own, found = os.getpid(), []
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would take longer to load than all the rest
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                after_its_name = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # not a process, or over by now
        if int(after_its_name[1]) == own:
            found.append(int(name))
    return found


def _end_all() -> None:
    """Those of a child that died become ours, so this goes on until there is none."""
    while True:
        for child in _children():
            os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_LOOK_EVERY_S)


def _end(number: int, frame: FrameType | None) -> None:
    raise _Ended


def main() -> None:
    """Set the limits, drop the rights, and run the program."""
    seconds, user, *argv = sys.argv[1:]
    _limit(resource.RLIMIT_CPU, int(seconds))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, 1024 * _MIB)
    _limit(resource.RLIMIT_FSIZE, 16 * _MIB)
    _limit(resource.RLIMIT_NOFILE, 128)
    os.umask(0o077)
    try:
        if user != "-":
            _become(user)
    except (OSError, KeyError) as error:
        _refuse(error)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _end)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    status = signal.SIGKILL.value  # as a wait status: ended by it
    try:
        program = os.fork()
        if program == 0:
            _be(argv)
        _let_go_of_pipes()
        status = os.waitpid(program, 0)[1]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is left is ended now
    except _Ended:
        pass
    _end_all()
    _end_as(status)


def _end_as(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)


if __name__ == "__main__":
    main()
