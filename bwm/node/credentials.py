"""What opens the node's RPC: the cookie it writes at each start, or a user and password of its own."""

import base64
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bwm.errors import NodeDown, NodeUnauthorized


@dataclass(frozen=True, slots=True)
class CookieFile:
    """The file the node writes a new secret into at each start, and removes when it stops."""

    path: Path

    def user_and_password(self) -> bytes:
        """``user:password`` as the file has it now.

        Raises NodeDown when there is no such file, NodeUnauthorized when it cannot be read.
        """
        try:
            pair = self.path.read_bytes().strip()
        except FileNotFoundError:
            raise NodeDown(
                f"there is no cookie at {self.path}: start the node, or correct the path of its cookie"
            ) from None
        except OSError as error:
            reason = why_unreadable(self.path) or error.strerror
            raise NodeUnauthorized(f"the cookie {self.path} cannot be read: {reason}") from None
        if b":" not in pair:
            raise NodeUnauthorized(f"the cookie {self.path} holds no user and password")
        return pair


@dataclass(frozen=True, slots=True)
class UserPassword:
    """A user of the node's ``rpcauth`` line. The password is not shown when this value is printed."""

    user: str
    password: str = field(repr=False)

    def user_and_password(self) -> bytes:
        return f"{self.user}:{self.password}".encode()


class Credentials(Protocol):
    """Whatever knows what to show the node."""

    def user_and_password(self) -> bytes:
        """``user:password``, asked for at each connection. Raises NodeDown or NodeUnauthorized."""


def basic_authorization(credentials: Credentials) -> str:
    """The value of the HTTP header ``Authorization`` (RFC 7617), read afresh from its source."""
    return "Basic " + base64.b64encode(credentials.user_and_password()).decode("ascii")


def why_unreadable(path: Path) -> str | None:
    """What keeps this user from reading a file, with the mend; None when nothing does or it is not there.

    A closed folder on the way hides even whether the file exists, so the folders are tried first.
    """
    for folder in reversed(path.parents):
        if folder.is_dir() and not os.access(folder, os.X_OK, effective_ids=True):
            return (
                f"the folder {folder} (mode {_mode(folder)}) is closed to this user; "
                "give bwm an rpcauth user of its own"
            )
    if path.exists() and not os.access(path, os.R_OK, effective_ids=True):
        return (
            f"its mode is {_mode(path)}; set rpccookieperms=group on the node and add this user to the "
            "node's group, or give bwm an rpcauth user of its own"
        )
    return None


def _mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"
