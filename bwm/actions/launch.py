"""Becomes a program with fewer rights: run as a file of its own, with nothing of bwm loaded.

Arguments: the seconds of processor time it may use, the user to become or ``-``, then the program with its own
arguments. Limits are set here, in a fresh process, because to do it between fork and exec is not safe beside threads.
"""

import ctypes
import os
import pwd
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # when bwm dies, so does the program: it is run again after the next start
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h: no setuid program and no file capability raises the rights again
_MIB = 1 << 20
_CANNOT_START = 126  # as a shell has it


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _become(name: str) -> None:
    user = pwd.getpwnam(name)
    os.initgroups(name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def main() -> None:
    """Set the limits, drop the rights, and be the program."""
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
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # where the system has none, the rest still holds
        os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted
    except (OSError, KeyError) as error:
        sys.stderr.write(f"cannot start: {error}\n")
        os._exit(_CANNOT_START)


if __name__ == "__main__":
    main()
