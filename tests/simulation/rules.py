"""The policies of every tower, and what each of them demands before a response may leave."""

import tomllib

from bwm.chain.network import network as network_of
from bwm.policy.read import read_policies
from bwm.policy.rule import DeedStep, Policy
from bwm.toml import Table, TomlFile

_LATER_S = 10 * 366 * 86_400  # never in a simulation: what the deed would do is shown on real processes

WATCHFUL = Policy("watchful", "1", ("trigger.*",), None, (DeedStep("hook", "/none", after_s=_LATER_S),))
"""Each change of a spend calls for one order, whatever the vault."""

RESPONSE = "safety"
"""The name of every response: which policy sends it, the name of its vault decides."""

AT_ONCE, UNLESS, ASKED = "now", "unless", "asked"
DELAY_S = {AT_ONCE: 0, UNLESS: 90, ASKED: 0}  # from the decision to the deed, by the policy
MOST, WITHIN_S = 4, 3600  # orders of the policy that acts at once, within a time

_TEXT = f"""
[[policy]]
name = "{AT_ONCE}"
on = ["trigger.seen", "trigger.confirmed"]
when = {{ vault = "{AT_ONCE}-*" }}
limit = {{ times = {MOST}, within = "{WITHIN_S}s" }}
then = [{{ respond = "{RESPONSE}" }}]

[[policy]]
name = "{UNLESS}"
on = ["trigger.seen", "trigger.confirmed"]
when = {{ vault = "{UNLESS}-*" }}
then = [{{ respond = "{RESPONSE}", after = "{DELAY_S[UNLESS]}s", unless = ["acknowledged", "vanished"] }}]

[[policy]]
name = "{ASKED}"
on = ["trigger.seen", "trigger.confirmed"]
when = {{ vault = "{ASKED}-*" }}
then = [{{ respond = "{RESPONSE}", approval = "1h" }}]
"""

RESPONDING = read_policies(Table(TomlFile(None, _TEXT), (), tomllib.loads(_TEXT)), network_of("regtest"), (), ())
"""The policies that send responses, as bwm reads them from its configuration."""
