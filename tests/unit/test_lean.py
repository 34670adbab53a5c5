"""What is installed and not wanted is not loaded: on a small machine its memory is missed."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from bwm.lean import without


def loaded_after(code, *packages):
    """Which of the packages a new process has loaded; all are installed here."""
    assert all(find_spec(name) for name in packages)
    code = f"import sys\n{code}\nprint(*(name for name in {packages} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_daemon_loads_no_driver_of_a_database_that_it_does_not_use():
    assert loaded_after("import bwm.daemon.run", "peewee", "psycopg") == ["peewee"]


def test_the_daemon_loads_nothing_to_draw_tables_with():
    assert loaded_after("import bwm.daemon.run", "structlog", "rich", "pygments") == ["structlog"]


def test_a_package_is_out_of_sight_inside_and_back_outside():
    with without("this"), pytest.raises(ImportError):
        import_module("this")
    assert find_spec("this")


def test_a_package_that_is_loaded_already_stays():
    with without("subprocess"):
        assert import_module("subprocess") is subprocess
    assert sys.modules["subprocess"] is subprocess


def test_what_goes_wrong_inside_leaves_nothing_hidden():
    with pytest.raises(ZeroDivisionError), without("this"):
        raise ZeroDivisionError
    assert "this" not in sys.modules
