"""What a RewindBitcoin device is told, in the language of its owner. Names stay as their owner wrote them."""

from bwm.language import ENGLISH, Language, language

LANGUAGES = ("en", "es")
"""Those that the wallet itself speaks: it is told in English for any other, whatever catalogues there are."""


def push_text(locale: str, wallet_name: str, vault_number: int, attempt: int, age_s: int) -> tuple[str, str]:
    """Title and body. ``locale``: a BCP 47 tag; what is neither English nor Spanish gets English."""
    name = locale.partition("-")[0].lower()
    words = language(name) if name in LANGUAGES else ENGLISH
    since = words.say("right now") if attempt <= 1 else _ago(words, max(0, age_s))
    body = words.say(
        "Somebody without permission is opening wallet '{wallet}', vault #{vault}, {since}. Act at once!",
        wallet=wallet_name,
        vault=vault_number,
        since=since,
    )
    return words.say("🚨 Vault security alert 🚨"), body


def _ago(words: Language, age_s: int) -> str:
    """The largest whole unit only."""
    if days := age_s // 86_400:
        return words.count("{number} day ago", "{number} days ago", days)
    if hours := age_s // 3600:
        return words.count("{number} hour ago", "{number} hours ago", hours)
    if minutes := age_s // 60:
        return words.count("{number} minute ago", "{number} minutes ago", minutes)
    return words.count("{number} second ago", "{number} seconds ago", age_s)
