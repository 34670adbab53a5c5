"""What is installed and not wanted is not loaded: on a small machine its memory is missed."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from bwm.lean import later, put_off, without


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


def test_the_daemon_loads_nothing_for_ways_to_log_and_to_migrate_that_it_does_not_take():
    assert loaded_after("import bwm.daemon.run", "structlog", "asyncio", "argparse") == ["structlog"]


@pytest.mark.parametrize(
    "use",
    [
        "import bwm.logs, asyncio; asyncio.run(asyncio.sleep(0))",
        "import bwm.logs, structlog.stdlib as one; one.asyncio.run(one.asyncio.sleep(0))",
        "from bwm.lean import put_off\nwith put_off('asyncio'):\n    from asyncio import sleep, run\nrun(sleep(0))",
        "from bwm.lean import put_off\nwith put_off('asyncio'):\n    import asyncio.events\nasyncio.events.Handle",
    ],
)
def test_what_was_put_off_is_there_for_whoever_uses_it(use):
    assert loaded_after(use, "asyncio") == ["asyncio"]


def test_what_is_loaded_already_is_not_put_off():
    with put_off("subprocess"):
        assert import_module("subprocess") is subprocess
    assert sys.modules["subprocess"] is subprocess


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


def test_a_package_is_loaded_when_something_of_it_is_called():
    code = "from bwm.lean import later\nwith later('colorsys', 'rgb_to_hsv'): from colorsys import rgb_to_hsv\n"
    assert loaded_after(code, "colorsys") == []
    assert loaded_after(f"{code}assert rgb_to_hsv(1, g=1, b=1) == (0, 0, 1)", "colorsys") == ["colorsys"]


def test_what_is_loaded_already_is_used_as_it_is():
    with later("subprocess", "run"):
        assert import_module("subprocess") is subprocess
    assert sys.modules["subprocess"] is subprocess


SENDING = """
import os
from bwm.channels.sending import fork_server, wire
ours, theirs = wire.packet_pair()
os.dup2(theirs.fileno(), 0)
ours.close()  # so that it loads what it needs, and ends
fork_server.main()
from apprise.plugins import twitter
"""


def test_the_sending_processes_load_nothing_that_only_few_services_need():
    unwanted = ("pgpy", "charset_normalizer", "requests_oauthlib", "oauthlib")
    assert loaded_after(SENDING, "apprise", *unwanted) == ["apprise"]
    call = "assert twitter.OAuth1('key', 'secret', 'token', 'secret').client.client_key == 'key'"
    assert loaded_after(SENDING + call, *unwanted) == ["requests_oauthlib", "oauthlib"]
