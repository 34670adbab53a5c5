"""Every command there is: its name, the module it is in, and the line about it in ``bwm --help``.

A command is the function of its name, with _ for -, in its module. The module is loaded only when the command runs.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One line of the help. ``summary`` is also the first line of the command's own help."""

    group: str
    name: str
    module: str
    summary: str


ENTRIES = (
    Entry("Start", "init", "init", "Find the node and write the configuration."),
    Entry("Start", "doctor", "doctor", "Check everything, and say how to mend what is wrong."),
    Entry("Start", "run", "run", "Run the daemon until it is told to stop."),
    Entry("Start", "status", "status", "Show what is watched and whether bwm can see."),
    Entry("Vaults", "add-vault", "vaults", "Watch transactions, coins, addresses or descriptors under one name."),
    Entry("Vaults", "edit-vault", "vaults", "Change a vault's name, severity, depth or tags."),
    Entry("Vaults", "list-vaults", "vaults", "List the vaults with their triggers."),
    Entry("Vaults", "show-vault", "vaults", "Show one vault and its latest events."),
    Entry("Vaults", "remove-vault", "vaults", "Stop watching a vault; its history stays."),
    Entry("Vaults", "rescan", "vaults", "Read the chain again for a vault."),
    Entry("Guardians", "add-guardian", "guardians", "Watch a Guardian Address for locks and unlocks."),
    Entry("Guardians", "list-guardians", "guardians", "List the guardians with their lock states."),
    Entry("Guardians", "show-guardian", "guardians", "Say whether a guardian is locked, and why."),
    Entry("Guardians", "edit-guardian", "guardians", "Change which vaults a guardian protects."),
    Entry("Guardians", "remove-guardian", "guardians", "Stop watching a guardian; its history stays."),
    Entry(
        "Guardians",
        "guardian-state",
        "guardian_signals",
        "Say whether a guardian is locked, for scripts: exit 0 or 3.",
    ),
    Entry("Guardians", "guardian-signal", "guardian_signals", "Write a guardian's signal for its wallet to sign."),
    Entry("People", "add-channel", "channels", "Add a way to a person."),
    Entry("People", "list-channels", "channels", "List the channels and how they do."),
    Entry("People", "remove-channel", "channels", "Remove a channel from the configuration."),
    Entry("People", "test-channel", "channels", "Send a test message now."),
    Entry("People", "alerts", "alerts", "List alerts with their deliveries."),
    Entry("People", "ack", "answers", "Acknowledge alerts: they are not repeated any more."),
    Entry("People", "unack", "answers", "Take an acknowledgement back: everybody is told again."),
    Entry("People", "snooze", "answers", "Put an alert off: it comes back by itself."),
    Entry("People", "silence", "answers", "Keep back what can wait, for maintenance or for peace."),
    Entry("People", "drill", "drill", "Try everything from end to end, with a theft that did not happen."),
    Entry("People", "seal-code", "answers", "Seal a duress code for the configuration."),
    Entry(
        "Acting", "add-response", "responses", "Keep transactions that move a vault to safety, or watch over a lock."
    ),
    Entry("Acting", "list-responses", "responses", "List what was signed in advance, and whether it would work."),
    Entry("Acting", "remove-response", "responses", "Forget what was signed in advance."),
    Entry("Acting", "arm", "responses", "Let policies send a response without asking."),
    Entry("Acting", "disarm", "responses", "Keep policies from sending a response."),
    Entry("Acting", "broadcast", "responses", "Send a response now, whether it is armed or not."),
    Entry("Acting", "hold", "responses", "Hold all responses: nothing is sent until you lift it."),
    Entry(
        "Acting", "check-policies", "policies", "Say in plain words what the policies do, and what is wrong with them."
    ),
    Entry("Acting", "replay", "policies", "Show what the policies would have done with the past."),
    Entry("Acting", "approve", "policies", "Say yes to what a policy wants to do and may not without a person."),
    Entry("Acting", "veto", "policies", "Say no to what a policy wants to do and has not done yet."),
    Entry("Acting", "announce", "announce", "Say that a spend will come, so that it is told quietly."),
    Entry("Acting", "list-announcements", "announce", "List the announced spends, and what became of them."),
    Entry(
        "Acting", "cancel-announcement", "announce", "Take an announcement back: the spend is told as loudly as any."
    ),
    Entry("Acting", "check-in", "check_in", "Say that you are well: the dead-man switch begins anew."),
    Entry("Looking", "events", "events", "Show the journal, and follow it."),
    Entry("Upkeep", "import-rewind", "import_rewind", "Take over the wallets of another RewindBitcoin watchtower."),
    Entry("Upkeep", "add-token", "tokens", "Let a program call the API."),
    Entry("Upkeep", "list-tokens", "tokens", "List the tokens, without their secrets."),
    Entry("Upkeep", "revoke-token", "tokens", "Have a token open nothing any more."),
    Entry("Upkeep", "backup", "upkeep", "Copy the database, also while the daemon runs."),
    Entry("Upkeep", "restore", "upkeep", "Put a backup in the place of the database."),
    Entry("Upkeep", "export", "export", "Write vaults, guardians, alerts and journal as JSON."),
)
