"""What tests share: a node, a bwm and a receiver of alerts, each new for each test and real."""

import fcntl
import gc
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from bwm.db.database import Database
from regtest.daemon import Bwm
from regtest.node import RegtestNode, get_node
from regtest.receiver import Receiver
from tests import warm
from tests.faults.table import pytest_runtest_logreport, pytest_terminal_summary, rows_of

__all__ = ["pytest_runtest_logreport", "pytest_terminal_summary"]

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "tests" / "kept"

Bwm.run_command = staticmethod(warm.run)
Bwm.start_daemon = staticmethod(warm.start)

# The same examples each time, so that a change is to blame for a failure; the long campaign searches on.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None)
settings.load_profile(os.environ.get("BWM_HYPOTHESIS", "steady"))

LONG_RUNS = [pytest.param(run, marks=pytest.mark.long) for run in range(2, 6)]

FAILED = pytest.StashKey[bool]()
RARELY = (20_000, 20, 50)

CALCULATING = "simulation/test_simulation.py"
WAITING = ("faults/test_kill_points.py", "faults/test_node.py", "faults/test_outside.py", "faults/")
"""Where the longest tests are, the longest of all first."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The long campaign runs each row of the table of faults five times; where no dice are thrown, on new chains."""
    if rows_of(f"::{metafunc.function.__name__}") and "dice" not in metafunc.fixturenames:
        metafunc.fixturenames.append("run")
        metafunc.parametrize("run", [1, *LONG_RUNS], indirect=True, ids=lambda run: f"run{run}", scope="module")


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> int:
    """Which run of a row this is. What the tests of a module share is made anew for each: it asks for this."""
    number: int = getattr(request, "param", 1)
    return number


@pytest.hookimpl(trylast=True)  # when those that are not to run have been taken out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each worker begins with its part of the longest tests: none is alone with one when the others are through.

    It is given a row of the list as long as any other's, and others take from the row's end when theirs is done.
    """
    tests = list(items)
    longest = _spread([one for one in tests if _is_in(one, CALCULATING)], _waiting(tests))
    others = [one for one in tests if one not in set(longest)]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items.clear()
    for worker in range(workers):
        mine = longest[worker::workers]
        row = (len(tests) - len(items)) // (workers - worker)
        items += [*mine, *others[: row - len(mine)]]
        del others[: row - len(mine)]


def _waiting(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    found = dict.fromkeys(one for place in WAITING for one in items if _is_in(one, place))
    return list(found)


def _is_in(item: pytest.Item, place: str) -> bool:
    return place in item.path.relative_to(ROOT).as_posix()


def _spread(calculating: Sequence[pytest.Item], waiting: Sequence[pytest.Item]) -> list[pytest.Item]:
    """What keeps a processor busy is spread evenly among what waits, and both may run at once."""
    places = [(number / len(group), one) for group in (calculating, waiting) for number, one in enumerate(group)]
    return [one for _, one in sorted(places, key=lambda place: place[0])]


def pytest_collection_finish() -> None:
    """What is loaded by now stays: to look it through for garbage again and again took a tenth of the unit tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RARELY)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember failures, so that ``folder`` knows what to keep."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The test's own folder, its path short enough for unix sockets; moved to tests/kept/ on failure."""
    path = Path(tempfile.mkdtemp(prefix="bwm-"))
    yield path
    if request.node.stash.get(FAILED, False):
        kept = KEPT / re.sub(r"[^\w.-]+", "_", request.node.name)
        shutil.rmtree(kept, ignore_errors=True)
        KEPT.mkdir(exist_ok=True)
        shutil.move(path, kept)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A new database, open in this thread."""
    database = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest")
    with database.connection():
        yield database


@pytest.fixture
def postgres() -> Iterator[Any]:
    """A PostgreSQL server with an empty database."""
    from tests.servers.postgres import Postgres  # its driver is loaded only for who asks for it

    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def bitcoind(request: pytest.FixtureRequest) -> Path:
    """A bitcoind of this machine, or one copied out of a container where docker is all there is."""
    (ROOT / ".node").mkdir(exist_ok=True)
    with (ROOT / ".node" / "session.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel sessions: one starts the container, the others find its copy
        try:
            return get_node()
        except subprocess.CalledProcessError:
            if not docker_answers():
                pytest.fail("there is no bitcoind: see regtest/get-node", pytrace=False)
        request.getfixturevalue("docker_services")
        return get_node()


def docker_answers() -> bool:
    """Whether docker compose and its engine are there; pytest-docker would fail each test without."""
    questions = (["docker", "compose", "version"], ["docker", "info"])
    try:
        return all(
            subprocess.run(question, capture_output=True, check=False, timeout=30).returncode == 0
            for question in questions
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(ROOT / "regtest" / "compose.yml")


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    """The name that compose.yml gives itself, so that get-node finds the container."""
    return "bwm-regtest"


BLOCKS = 110
"""Ten rewards can be spent."""


@pytest.fixture(scope="session")
def mined(bitcoind: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a node that has mined already, to be copied: mining is most of what a new one costs."""
    folder = tmp_path_factory.mktemp("mined") / "node"
    with RegtestNode(folder, bitcoind=bitcoind) as node:
        node.mine(BLOCKS)
        node.new_address()
        node.new_address(wallet="thief")
    (folder / "regtest" / "debug.log").unlink()
    return folder


@pytest.fixture
def make_node(folder: Path, bitcoind: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., RegtestNode]]:
    """Start nodes: ``make_node("other", blocks=0, topics=(), extra_args=["-prune=1"])``."""
    with ExitStack() as nodes:

        def make(name: str = "node", *, blocks: int = BLOCKS, **options: Any) -> RegtestNode:
            is_usual = name == "node" and blocks == BLOCKS
            if is_usual:
                shutil.copytree(request.getfixturevalue("mined"), folder / name)
            node = nodes.enter_context(RegtestNode(folder / name, bitcoind=bitcoind, **options))
            if blocks and not is_usual:
                node.mine(blocks)
            return node

        yield make


@pytest.fixture
def node(make_node: Callable[..., RegtestNode]) -> RegtestNode:
    """A node with 110 blocks: ten rewards can be spent, and it is out of initial block download."""
    return make_node()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes what channels send: ``receiver.wait_for(text=...)``; ``receiver.behaviour = hang``."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def make_bwm(folder: Path) -> Iterator[Callable[..., Bwm]]:
    """Write the configuration of a bwm: ``make_bwm(node, "second", receiver_url=..., settings="...")``."""
    with ExitStack() as daemons:

        def make(node: RegtestNode, name: str = "bwm", **options: Any) -> Bwm:
            bwm = Bwm(folder / name, node, **options)
            daemons.callback(bwm.kill)
            return bwm

        yield make


@pytest.fixture
def bwm(make_bwm: Callable[..., Bwm], node: RegtestNode, request: pytest.FixtureRequest) -> Bwm:
    """A bwm beside ``node`` with a file channel, and one to ``receiver`` where the test asks for that.

    Not started: ``bwm.start()``.
    """
    if "receiver" not in request.fixturenames:
        return make_bwm(node)
    return make_bwm(node, receiver_url=request.getfixturevalue("receiver").url())
