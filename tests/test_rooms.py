"""Which room may import which, and what no file may name.

The table is the map of the house: a room on the left may import the rooms on the right, and itself. A dotted
entry allows one module of a room and no other.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bwm"

GROUND = (
    "errors clock secret severity toml config config_alerts config_api config_channels config_node config_policies "
    "language lean logs outlet seal"
)
PURE = (
    "chain watch guardian event order hold answer drill check_in policy health plan plan_guardian plan_policies "
    "plan_deeds wording plan_response response"
)
WORLD = "node db actions channels"

MAY_IMPORT = {
    "errors": "",
    "clock": "",
    "secret": "",
    "seal": "errors secret",
    "severity": "",
    "lean": "",
    "logs": "lean",
    "outlet": "",
    "language": "",
    "toml": "errors secret",
    "config": "chain policy config_alerts config_api config_channels config_node config_policies errors secret toml",
    "config_alerts": "errors hold order secret severity toml",
    "config_channels": "language secret severity toml",
    "config_node": "secret toml",
    "config_policies": "secret toml",
    "config_api": "errors secret toml",
    "chain": "errors",
    "watch": "chain errors",
    "guardian": "chain errors",
    "response": "chain errors",
    "event": "chain clock watch guardian",
    "order": "errors severity",
    "hold": "severity",
    "drill": "chain event plan severity watch",
    "check_in": "clock event plan severity",
    "answer": "",
    "health": "clock event severity",
    "policy": "chain errors event guardian health order severity toml watch",
    "plan": f"errors severity {PURE}",
    "plan_response": f"errors severity {PURE}",
    "plan_guardian": f"errors severity {PURE}",
    "wording": "event health language",
    "plan_policies": f"errors severity {PURE}",
    "plan_deeds": f"errors severity {PURE}",
    "node": f"chain {GROUND}",
    "db": f"clock errors lean severity {PURE}",
    "actions": f"drill order event chain wording channels.channel {GROUND}",  # the channel as a type only
    "channels": GROUND,
    "daemon": f"{GROUND} {PURE} {WORLD}",
    "api": f"{GROUND} {PURE} {WORLD} daemon",
    "cli": f"{GROUND} {PURE} {WORLD} daemon api",
    "__main__": "cli",
}

# What computes and nothing else. The kinds in watch/triggers/ are found by walking their folder.
COMPUTING = (
    "abc base64 binascii bisect bitcoin collections dataclasses datetime decimal difflib enum fnmatch functools "
    "hashlib heapq hmac itertools json math mypy_extensions operator posixpath re shlex string struct types typing "
    "zoneinfo bwm"
)
WALKING = {"importlib", "pkgutil"}
WALKED = {"watch/triggers/__init__.py"}
CLOCKLESS = {"bwm.clock.rfc3339", "bwm.clock.from_rfc3339"}  # the parts of bwm.clock that read no clock


def modules(*rooms: str) -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if not rooms or room_of(path) in rooms]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The dotted name of everything a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_allowed(imported: str, entry: str) -> bool:
    return f"{imported}.".startswith(f"bwm.{entry}.")


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_the_rooms_its_own_room_may(path):
    room = room_of(path)
    if room == "__init__":
        allowed = []
    else:
        assert room in MAY_IMPORT, f"bwm/{room} is a new room: give it a line in the table"
        allowed = [room, "__version__", *MAY_IMPORT[room].split()]
    ours = [name for name in imports(path) if name.split(".")[0] == "bwm"]
    assert [name for name in ours if not any(is_allowed(name, entry) for entry in allowed)] == []


@pytest.mark.parametrize("path", modules(*PURE.split()), ids=name_of)
def test_a_pure_room_touches_nothing_outside_itself(path):
    computing = {*COMPUTING.split(), *(WALKING if name_of(path) in WALKED else ())}
    foreign = [name for name in imports(path) if name.split(".")[0] not in computing]
    clocks = [name for name in imports(path) if name.startswith("bwm.clock") and name not in CLOCKLESS]
    assert foreign + clocks == []


@pytest.mark.parametrize("path", modules(*PURE.split()), ids=name_of)
def test_a_pure_room_opens_no_file(path):
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    assert [call.id for call in calls if isinstance(call, ast.Name) and call.id in ("open", "print", "input")] == []


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_package_host():
    home = r"(?<![\w.~}$])/(?:work|root|home/\w+|Users/\w+)/"
    host = r"\b(?:deb|ftp|snapshot|security)\.debian\.org|\bpypi\.(?:org|python)|pythonhosted\.org"
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked_files()
        if path != Path(__file__)
        for match in re.finditer(f"{home}|{host}", path.read_text(errors="replace"))
    ]
    assert found == []


def test_x30_nothing_is_read_by_what_can_be_made_to_run_it():
    loose = ("pickle", "shelve", "marshal", "dill", "yaml", "ruamel")
    files = (path for path in PACKAGE.rglob("*.py"))
    found = [(name_of(path), name) for path in files for name in imported_anywhere(path) if name.split(".")[0] in loose]
    assert found == []


def imported_anywhere(path: Path) -> Iterator[str]:
    """Every module that a file imports, ours or not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
