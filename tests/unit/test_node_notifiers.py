"""Where to listen, and what the node's configuration lacks: from what the node says alone."""

import hashlib
import hmac

from bwm.node.advice import SUGGESTED_ADDRESS, feed_findings, feed_lines, user_lines
from bwm.node.answers import Notification
from bwm.node.notifiers import choose_endpoints, effective_hwm, useful_endpoints

A, B = "tcp://127.0.0.1:28332", "tcp://127.0.0.1:28333"
HOST = "127.0.0.1"


def notifiers(lines: tuple[str, ...]) -> list[Notification]:
    """What a node with these lines of bitcoin.conf says it runs."""
    settings = dict(line.split("=") for line in lines)
    return [
        Notification(name.removeprefix("zmqpub"), value, int(settings.get(f"{name}hwm", 1000)))
        for name, value in settings.items()
        if not name.endswith("hwm")
    ]


def test_the_mark_of_an_address_is_that_of_its_alphabetically_first_topic():
    published = [Notification("sequence", A, 100_000), Notification("hashblock", A, 1000), Notification("rawtx", B, 0)]

    assert effective_hwm(published) == {A: 1000, B: 0}


def test_an_address_that_has_all_is_heard_before_those_that_have_parts():
    shared = [Notification("rawblock", A, 1000), Notification("rawtx", B, 1000)]

    assert choose_endpoints([*shared, *notifiers(feed_lines())], HOST) == dict.fromkeys(
        ("hashblock", "rawtx", "sequence"), SUGGESTED_ADDRESS
    )


def test_of_equal_addresses_the_one_that_holds_more_is_heard():
    for larger in (100_000, 0):
        published = [Notification("rawtx", A, 1000), Notification("rawtx", B, larger)]
        assert choose_endpoints(published, HOST) == {"rawtx": B}
        assert choose_endpoints(published[::-1], HOST) == {"rawtx": B}


def test_topics_at_several_addresses_are_all_heard_and_others_left_alone():
    published = [Notification("rawblock", A, 1000), Notification("rawtx", B, 1000), Notification("hashtx", A, 1000)]

    assert choose_endpoints(published, HOST) == {"rawblock": A, "rawtx": B}


def test_whole_blocks_are_not_fetched_where_a_hash_rings_as_well():
    assert useful_endpoints({"rawblock": A, "rawtx": A}) == {"rawblock": A, "rawtx": A}
    assert useful_endpoints({"rawblock": A, "hashblock": A}) == {"hashblock": A}
    assert useful_endpoints({"rawblock": A, "sequence": B}) == {"sequence": B}


def test_a_publisher_on_all_addresses_is_sought_where_rpc_is():
    for everywhere in ("tcp://0.0.0.0:28332", "tcp://*:28332", "tcp://[::]:28332"):
        published = [Notification("rawtx", everywhere, 1000)]
        assert choose_endpoints(published, "10.21.21.8") == {"rawtx": "tcp://10.21.21.8:28332"}
        assert choose_endpoints(published, "fd00::8") == {"rawtx": "tcp://[fd00::8]:28332"}
    for one_place in ("ipc:///run/bitcoin/feed", "tcp://192.168.1.2:28332", "tcp://node.lan:28332"):
        assert choose_endpoints([Notification("rawtx", one_place, 1000)], HOST) == {"rawtx": one_place}


def test_the_suggested_lines_leave_nothing_to_find():
    assert feed_findings(notifiers(feed_lines()), {}, HOST) == []
    assert feed_findings(notifiers(feed_lines()), {"rawtx": SUGGESTED_ADDRESS}, HOST) == []


def test_a_silent_node_is_a_failure_only_when_the_feed_was_configured():
    [unasked] = feed_findings([], {}, HOST)
    [asked] = feed_findings([], {"rawtx": A}, HOST)

    assert (unasked.is_failure, asked.is_failure) == (False, True)
    assert unasked.mend == feed_lines()


def test_each_missing_topic_is_named():
    findings = feed_findings([Notification("hashtx", A, 0)], {}, HOST)

    assert [topic for topic in ("rawtx", "sequence", "no blocks") for f in findings if topic in f.words] == [
        "rawtx",
        "sequence",
        "no blocks",
    ]
    assert not any(finding.is_failure for finding in findings)


def test_a_mark_below_a_blocks_transactions_is_found_where_we_listen_and_only_there():
    good = notifiers(feed_lines())
    [finding] = feed_findings([Notification(each.topic, A, 1000) for each in good], {}, HOST)

    assert A in finding.words
    assert sorted(finding.mend) == [
        "zmqpubhashblockhwm=100000",
        "zmqpubrawtxhwm=100000",
        "zmqpubsequencehwm=100000",
    ]
    assert feed_findings([*good, Notification("rawtx", A, 1000)], {}, HOST) == []
    assert feed_findings([Notification(each.topic, A, 0) for each in good], {}, HOST) == []


def test_an_endpoint_where_the_node_does_not_publish_is_a_failure():
    good = notifiers(feed_lines())

    [elsewhere] = feed_findings(good, {"rawtx": A}, HOST)
    [nowhere] = feed_findings(good, {"rawblock": SUGGESTED_ADDRESS}, HOST)

    assert elsewhere.is_failure
    assert SUGGESTED_ADDRESS in elsewhere.words
    assert nowhere.is_failure
    assert nowhere.mend[0] == f"zmqpubrawblock={SUGGESTED_ADDRESS}"
    forwarded = {"rawtx": SUGGESTED_ADDRESS.replace("127.0.0.1", "bitcoind.lan")}
    assert feed_findings(good, forwarded, HOST) == [], "the host depends on where one looks from"


def test_the_lines_for_a_user_hold_a_digest_and_never_lock_out_the_others():
    salt = "0123456789abcdef0123456789abcdef"
    auth, whitelist, default = user_lines("bwm", "pass", salt, may_broadcast=False)

    assert auth == f"rpcauth=bwm:{salt}${hmac.new(salt.encode(), b'pass', hashlib.sha256).hexdigest()}"
    assert "sendrawtransaction" not in whitelist
    assert default == "rpcwhitelistdefault=0"
    assert "sendrawtransaction" in user_lines("bwm", "pass", salt, may_broadcast=True)[1]
