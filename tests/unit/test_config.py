"""The configuration file: what is read, what is refused, and where the error points."""

import os
import tomllib
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.config import Config, load
from bwm.errors import ConfigError
from bwm.secret import Secret
from bwm.severity import Severity
from bwm.toml import parse_duration, read_toml

NOBODY = 65534
URL = "ntfy://canary-topic@example.invalid"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user with an empty home and none of our variables."""
    for name in (
        "BWM_CONFIG",
        "STATE_DIRECTORY",
        "CREDENTIALS_DIRECTORY",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bwm.config.SYSTEM_FILE", tmp_path / "etc" / "bwm.toml")
    monkeypatch.setattr("bwm.config.SYSTEM_STATE", tmp_path / "var" / "lib" / "bwm")
    return tmp_path


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def config(tmp_path):
    def read(text: str, mode: int = 0o600) -> Config:
        return load(write(tmp_path / "bwm.toml", text, mode))

    return read


@pytest.fixture
def refusal(config):
    def words(text: str, mode: int = 0o600) -> str:
        with pytest.raises(ConfigError) as refused:
            config(text, mode)
        return str(refused.value)

    return words


def test_with_no_file_at_all_everything_has_a_default(home):
    config = load()
    assert config.source is None
    assert config.network == "main"
    assert config.state_dir == home / "home/.local/state/bwm"
    assert config.database_url == f"sqlite:///{home}/home/.local/state/bwm/bwm.sqlite"
    assert config.node.rpc is None
    assert config.node.zmq == {}
    assert config.channels == ()
    assert (config.final_depth, config.reconcile_every_s, config.gap_limit) == (
        6,
        15,
        20,
    )


def test_every_setting_is_read(config, tmp_path):
    write(tmp_path / "phone", URL + "\n")
    write(tmp_path / "password", "canary/?#@")
    read = config("""
network = "regtest"
state_dir = "/srv/bwm"
[node]
rpc = "http://[::1]:18443"
user = "bwm"
password_file = "password"
zmq_rawtx = "tcp://127.0.0.1:28432"
zmq_sequence = "ipc:///run/bitcoind/zmq"
rest = "off"
[database]
url = "postgresql://user:canary@db/bwm"
[[channel]]
name = "phone"
kind = "apprise"
url_file = "phone"
people = ["owner", "family"]
min_severity = "critical"
locale = "de"
redact = ["sats", "txid"]
[[channel]]
name = "log"
kind = "file"
path = "alerts.jsonl"
[defaults]
final_depth = 100
reconcile_every = "1m30s"
gap_limit = 50
""")
    assert read.network == "regtest"
    assert read.state_dir == Path("/srv/bwm")
    assert read.database_url == "postgresql://user:canary@db/bwm"
    assert (read.node.rpc, read.node.user, read.node.rest) == ("http://[::1]:18443", "bwm", "off")
    assert read.node.password == Secret("canary/?#@")
    assert read.node.zmq == {"rawtx": "tcp://127.0.0.1:28432", "sequence": "ipc:///run/bitcoind/zmq"}
    phone, log = read.channels
    assert (phone.name, phone.kind, phone.url) == ("phone", "apprise", Secret(URL))
    assert (phone.people, phone.min_severity) == (("owner", "family"), Severity.CRITICAL)
    assert (phone.locale, phone.redact) == ("de", ("sats", "txid"))
    assert log.path == tmp_path / "alerts.jsonl"
    assert log.min_severity is Severity.INFO
    assert (read.final_depth, read.reconcile_every_s, read.gap_limit) == (
        100,
        90,
        50,
    )
    assert "canary" not in repr(read)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('network = "main"\nchanel = 1', 2, "unknown key 'chanel'. Did you mean channel?"),
        ("[node]\n\n# rest\nresst = 'on'", 4, "unknown key 'resst'. Did you mean rest?"),
        ('network = "mainnet"', 1, "use one of main, test, testnet4, signet, regtest"),
        ("network = 1", 1, "a text in quotes"),
        ("network = ''", 1, "network is empty"),
        ("node = 1", 1, "a table"),
        ("[node]\nrpc = '127.0.0.1:8332'", 2, "http://127.0.0.1:8332"),
        ("[node]\nrpc = 'http://127.0.0.1:port'", 2, "http://127.0.0.1:8332"),
        ("[node]\nrpc = 'http://bwm:canary@127.0.0.1:8332'", 2, "user and password_file"),
        ("[node]\nuser = 'bwm'", 1, "belong together"),
        ("[node]\nuser = 'bwm'\npassword = 'x'\ncookie_file = '/c'", 4, "remove one"),
        ("[node]\nzmq_rawtx = '127.0.0.1:28432'", 2, "tcp://"),
        ("[node]\nrest = 'maybe'", 2, "auto, on, off"),
        ("[database]\nurl = 'mysql://db'", 1, "sqlite:/// or postgresql://"),
        ("[[channel]]\nkind = 'file'\npath = 'a'", 1, "name is missing"),
        ("[[channel]]\nname = 'a b'\nkind = 'file'\npath = 'a'", 2, "letters, digits"),
        ("[[channel]]\nname = 'a'\npath = 'a'", 1, "kind is missing"),
        ("[[channel]]\nname = 'a'\nkind = 'file'", 1, "needs one of url_file, url and path"),
        ("[[channel]]\nname = 'a'\nkind = 'x'\nurl = 'u'\nurl_file = 'f'", 4, "remove one"),
        ("[[channel]]\nname = 'a'\nkind = 'x'\nurl_file = 'f'", 4, "cannot be read: No such file"),
        ("[[channel]]\nname = 'a'\nkind = 'x'\npath = 'p'\nmin_severity = 'bad'", 5, "info, warning, high"),
        (
            "[[channel]]\nname = 'a'\nkind = 'x'\npath = 'p'\nredact = ['name']",
            5,
            "sats, vault, txid, address",
        ),
        ("[[channel]]\nname = 'a'\nkind = 'x'\npath = 'p'\npeople = 'owner'", 5, "a list of texts"),
        (
            "[[channel]]\nname = 'a'\nkind = 'x'\npath = 'p'\npeople = [\n 'owner',\n 1\n]",
            5,
            "a list of texts",
        ),
        ("[channel]\nname = 'a'", 1, "[[channel]]"),
        ("channel = [1]", 1, "[[channel]]"),
        ("[defaults]\nfinal_depth = 0", 2, "from 1 to 10000"),
        ("[defaults]\nfinal_depth = true", 2, "a whole number"),
        ("[defaults]\nreconcile_every = 15", 2, "a text in quotes"),
        ("[defaults]\nreconcile_every = '15 seconds'", 2, "write it like 15s"),
        ("[defaults]\nreconcile_every = '2h'", 2, "from 1 to 600 seconds"),
        ("network = x\n", 1, "no valid TOML"),
    ],
)
def test_what_is_wrong_is_refused_by_line_with_what_is_allowed(refusal, tmp_path, text, line, words):
    said = refusal(text)
    assert said.startswith(str(tmp_path / "bwm.toml"))
    assert f"line {line}" in said
    assert words in said
    assert "canary" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 100_000, "deeper than can be read"),
        ("a = " + "[" * 100_000 + "]" * 100_000, "deeper than can be read"),
        ("# " + "a" * 1_000_000, "larger than 1,000,000 bytes"),
        ("network = !!python/object/apply:os.system ['true']", "no valid TOML"),
        ("&a [*a, *a]", "no valid TOML"),
    ],
    ids=["deep", "deep and whole", "huge", "a tag of YAML", "an alias of YAML"],
)
def test_x30_a_file_that_is_made_to_choke_its_reader_is_refused(refusal, text, words):
    assert words in refusal(text)


CLEAR = "rpc_in_clear = true"


@pytest.mark.parametrize("head", ["[node]", '[[peer_node]]\nname = "attic"\ncookie_file = "cookie"'])
@pytest.mark.parametrize("host", ["192.168.1.9", "203.0.113.5", "[2001:db8::1]", "node.lan", "127.0.0.1.example"])
def test_x39_the_nodes_rpc_is_not_spoken_over_a_network_unless_that_is_said(config, refusal, head, host):
    rpc = f'rpc = "http://{host}:8332"'
    said = refusal(f"{head}\n{rpc}")
    assert "tunnel" in said
    assert CLEAR in said
    assert f"line {len(head.splitlines()) + 1}" in said
    read = config(f"{head}\n{rpc}\n{CLEAR}")
    assert [read.node.rpc, *(peer.node.rpc for peer in read.peer_nodes)][-1] == f"http://{host}:8332"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "[::1]", "localhost"])
def test_x39_this_machine_needs_no_word(config, host):
    assert config(f'[node]\nrpc = "http://{host}:8332"').node.rpc == f"http://{host}:8332"


def test_two_channels_may_not_share_a_name(refusal):
    channel = "[[channel]]\nname = 'log'\nkind = 'file'\npath = 'a'\n"
    assert "two channels have the name 'log'" in refusal(channel + channel)


def test_x29_a_config_with_a_secret_must_be_its_owners_only(config, refusal, tmp_path):
    text = f"[[channel]]\nname = 'phone'\nkind = 'apprise'\nurl = '{URL}'\n"
    said = refusal(text, mode=0o640)
    assert "line 4: url is a secret" in said
    assert f"chmod 600 {tmp_path}/bwm.toml" in said
    assert "canary" not in said
    assert config(text, mode=0o600).channels[0].url == Secret(URL)


def test_a_config_without_secrets_may_be_read_by_all(config):
    text = "[database]\nurl = 'sqlite:////srv/bwm.sqlite'\n"
    assert config(text, mode=0o644).database_url == "sqlite:////srv/bwm.sqlite"


def test_x29_a_secret_file_must_be_its_owners_only(refusal, tmp_path):
    write(tmp_path / "phone", URL, mode=0o644)
    said = refusal("[[channel]]\nname = 'phone'\nkind = 'apprise'\nurl_file = 'phone'\n")
    assert f"chmod 600 {tmp_path}/phone" in said
    assert "canary" not in said


def test_an_empty_secret_file_is_refused(refusal, tmp_path):
    write(tmp_path / "phone", "\n")
    assert "which is empty" in refusal("[[channel]]\nname = 'phone'\nkind = 'apprise'\nurl_file = 'phone'\n")


def test_a_systemd_credential_goes_before_a_file_beside_the_config_whatever_its_mode(config, tmp_path, monkeypatch):
    credentials = tmp_path / "credentials"
    write(credentials / "phone", URL, mode=0o440)
    write(tmp_path / "phone", "ntfy://another", mode=0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    read = config("[[channel]]\nname = 'phone'\nkind = 'apprise'\nurl_file = 'phone'\n")
    assert read.channels[0].url == Secret(URL)


def test_the_file_is_looked_for_in_the_promised_order(home, tmp_path, monkeypatch):
    write(home / "etc/bwm.toml", "network = 'test'")
    assert load().network == "test"
    write(home / "home/.config/bwm/bwm.toml", "network = 'signet'")
    assert load().network == "signet"
    monkeypatch.setenv("BWM_CONFIG", str(write(tmp_path / "variable.toml", "network = 'testnet4'")))
    assert load().network == "testnet4"
    assert load(write(tmp_path / "named.toml", "network = 'regtest'")).network == "regtest"


@contextmanager
def without_rights():
    """As somebody for whom folders can be closed, which none is to root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_file_in_a_folder_that_is_closed_to_this_user_is_not_passed_over(home, monkeypatch):
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        closed = Path(name) / "closed"
        closed.mkdir(mode=0o000)
        monkeypatch.setenv("HOME", name)
        monkeypatch.setattr("bwm.config.SYSTEM_FILE", closed / "bwm.toml")
        with without_rights(), pytest.raises(ConfigError, match=f"{closed}.*Permission denied"):
            load()


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.toml")


def test_the_network_can_be_overridden_and_has_a_state_folder_of_its_own(home):
    config = load(network="regtest")
    assert config.network == "regtest"
    assert config.state_dir == home / "home/.local/state/bwm/regtest"
    with pytest.raises(ConfigError, match="regtest"):
        load(network="mainnet")


def test_a_service_keeps_its_data_where_systemd_says(monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/bwm/signet:/var/lib/other")
    assert load(network="signet").state_dir == Path("/var/lib/bwm/signet")


def test_who_may_write_to_the_services_data_meets_it(home):
    (home / "var/lib/bwm").mkdir(parents=True)
    assert load().state_dir == home / "var/lib/bwm"


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_durations_add_up(days, hours, minutes, seconds):
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    assert parse_duration(text) == 86400 * days + 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize("text", ["", "15", "s", "1s1m", "-5s", "1.5h", "5 m", "١s "])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


KEYS = st.text("abcdefg", min_size=1, max_size=3)
VALUES = st.one_of(
    st.integers(0, 9).map(str),
    st.just("'''\n[a]\nb = 1\n'''"),
    st.lists(st.integers(0, 9), max_size=3).map(lambda items: "[\n" + "".join(f"  {item},\n" for item in items) + "]"),
)


@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=8, unique_by=lambda pair: pair[0]), st.data())
def test_an_error_points_to_the_line_on_which_its_statement_begins(tmp_path_factory, pairs, data):
    key, _ = data.draw(st.sampled_from(pairs))
    text = "".join(f"# a remark\n{name} = {value}\n\n" for name, value in pairs)
    assert tomllib.loads(text)
    path = write(tmp_path_factory.mktemp("line") / "x.toml", text)
    before = text[: text.index(f"# a remark\n{key} = ")]
    wanted = before.count("\n") + 2
    assert f"line {wanted}: here" in str(read_toml(path).error("here", key))


def test_a_heartbeat_and_peer_nodes_are_read(config, tmp_path):
    write(tmp_path / "beat", "https://beats.example/abc")
    found = config(
        '[heartbeat]\nurl_file = "beat"\nevery = "2m"\n'
        '[[peer_node]]\nname = "attic"\nrpc = "http://127.0.0.1:18443"\ncookie_file = "cookie"\n'
        '[[peer_node]]\nname = "far"\nrpc = "http://127.0.0.1:1"\ncookie_file = "cookie"\nrelay_responses = true\n'
    )
    assert found.heartbeat.every_s == 120
    assert found.heartbeat.url.reveal() == "https://beats.example/abc"
    assert [(peer.name, peer.node.rpc, peer.relays_responses) for peer in found.peer_nodes] == [
        ("attic", "http://127.0.0.1:18443", False),
        ("far", "http://127.0.0.1:1", True),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[heartbeat]\nurl = "ftp://x"\n', "must begin with https"),
        ('[heartbeat]\nurl = "https://x"\nevery = "1s"\n', "every"),
        ('[[peer_node]]\nname = "attic"\n', "needs rpc"),
        ('[[peer_node]]\nname = "attic"\nrpc = "http://127.0.0.1:1"\n', "cookie_file"),
    ],
)
def test_a_heartbeat_or_peer_that_cannot_work_is_refused(refusal, text, words):
    assert words in refusal(text)
