"""Every code that a decision may give has a sentence in both languages."""

import re
from pathlib import Path

from gateway.core.model import ConsentState
from gateway.core.reasons import present, sentence

CORE = Path(__file__).parents[1] / "gateway" / "core"


def test_every_code_has_its_sentences() -> None:
    source = "".join((CORE / name).read_text() for name in ("offers.py", "shelf.py", "restraint.py"))
    codes = set(re.findall(r'return "([a-z_.]+)"', source)) | set(re.findall(r'Reason\([^,]+, "([a-z_.]+)"', source))
    codes |= set(re.findall(r'(?:else|if) "([a-z_.]+)"', source)) - {"tap", "zone", "members", "everyone"}
    codes |= set(re.findall(r'"(consent\.[a-z_]+)"', (CORE / "consent.py").read_text()))
    codes |= set(re.findall(r'"(proof\.[a-z_]+)"', (CORE / "proof.py").read_text()))
    codes |= {f"cap.{what}" for what in ("impressions", "acceptances", "redemptions")}
    codes |= {f"pause.{what}" for what in ("shown", "dismissed", "redeemed")}
    codes |= {f"consent.{state}" for state in ConsentState}
    doubts = re.findall(r'^ {8}return "([a-z_]+)"', (CORE / "consent.py").read_text(), re.MULTILINE)
    codes |= {f"consent.{doubt}" for doubt in doubts}
    parked = ("unknown_purpose", "unknown_state", "fields", "differs", "notice", "tampered")
    codes |= {f"consent.{reason}" for reason in parked} | {"gate.purpose"}
    assert "consent.clock_in_doubt" in codes
    assert len(codes) > 15
    for code in codes:
        german, english = sentence(code)["de"], sentence(code)["en"]
        assert english != f"Reason: {code}", code
        assert german != english
        assert german.endswith(".")
        assert english.endswith(".")


def test_a_code_of_a_later_release_is_told_as_it_is() -> None:
    assert sentence("of_2030") == {"de": "Grund: of_2030", "en": "Reason: of_2030"}


def test_what_is_so_now_is_told_in_the_present() -> None:
    assert present("consent.given") == {"de": "Die Einwilligung gilt.", "en": "The consent is in force."}
    for state in ConsentState:
        assert present(f"consent.{state}") != sentence(f"consent.{state}")
        assert " was " not in present(f"consent.{state}")["en"]
    assert present("consent.unknown_purpose") == sentence("consent.unknown_purpose")
    assert "future" not in present("consent.future")["en"]
