"""A house, its clock, and programs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bwm.db.database import Database
from tests.actions.house import FixedClock, House


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def house(tmp_path: Path, clock: FixedClock) -> Iterator[Callable[..., House]]:
    database = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest")
    with database.connection():
        yield lambda *policies, **options: House(database, clock, *policies, **options)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    """Write a program; its path."""

    def write(text: str, name: str = "program", mode: int = 0o700) -> str:
        file = tmp_path / name
        file.write_text(text)
        file.chmod(mode)
        return str(file)

    return write
