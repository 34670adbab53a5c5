"""What a device is told, in its owner's language."""

import pytest

from bwm.daemon.rewind.text import push_text


def test_a_message_whole():
    assert push_text("en-GB", "Savings", 2, 1, 0) == (
        "🚨 Vault security alert 🚨",
        "Somebody without permission is opening wallet 'Savings', vault #2, right now. Act at once!",
    )
    assert push_text("es-MX", "Mi cartera", 12_345, 2, 7200) == (
        "🚨 Alerta de seguridad 🚨",
        "Alguien sin permiso está abriendo la cartera 'Mi cartera', bóveda #12345, hace 2 horas. ¡Actúa de inmediato!",
    )


@pytest.mark.parametrize("locale", ["es", "ES", "es-MX", "Es-419"])
def test_spanish(locale):
    title, body = push_text(locale, "Mi cartera", 2, 1, 0)
    assert "seguridad" in title
    assert "'Mi cartera', bóveda #2, ahora mismo" in body


@pytest.mark.parametrize(
    "locale", ["en", "en-US", "es_MX", "fr-FR", "de", "de-AT", "", "constructor", "__class__", "x" * 64]
)
def test_english_for_everybody_else(locale):
    """Also where there is a catalogue: the wallet itself would be in English."""
    _, body = push_text(locale, "Savings", 2, 1, 0)
    assert "'Savings', vault #2, right now" in body


@pytest.mark.parametrize(
    ("age_s", "words", "palabras"),
    [
        (0, "0 seconds ago", "hace 0 segundos"),
        (1, "1 second ago", "hace 1 segundo"),
        (59, "59 seconds ago", "hace 59 segundos"),
        (60, "1 minute ago", "hace 1 minuto"),
        (7199, "1 hour ago", "hace 1 hora"),
        (21_600, "6 hours ago", "hace 6 horas"),
        (86_400, "1 day ago", "hace 1 día"),
        (583_200, "6 days ago", "hace 6 días"),
        (-5, "0 seconds ago", "hace 0 segundos"),
    ],
)
def test_later_messages_say_since_when_in_the_largest_unit(age_s, words, palabras):
    assert f", {words}." in push_text("en", "a", 1, 2, age_s)[1]
    assert f", {palabras}." in push_text("es", "a", 1, 2, age_s)[1]


@pytest.mark.parametrize("name", ["$&", "{since}", "{0.__class__}", "%s", "{{7*7}}", "{}", "\\1"])
def test_x46_a_wallets_name_is_told_as_it_is(name):
    assert f"'{name}', vault #1, right now" in push_text("en", name, 1, 1, 0)[1]
