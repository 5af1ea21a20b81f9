"""The privacy notice as HTML: headquarters' own words, to the byte, between what this gateway knows itself."""

from collections.abc import Collection
from html import escape

from gateway.core.model import Notice, ShopConfig
from gateway.core.notice import HEADING, blocks

# What two columns of a sheet of A4 hold beside the rest, with room for long addresses and a few more areas: 1,600 were
# seen to fit. A longer text gets a sheet of its own for each language.
LONG_CHARS = 1_500
NAMES = {"de": "Deutsch", "en": "English", "fr": "Français", "it": "Italiano", "nl": "Nederlands", "pl": "Polski"}
OWN = ("de", "en")  # languages in which the page's own sentences are written
_MISSING_DE = {"controller": "Verantwortliche Stelle", "contact": "Kontakt", "version": "Fassung", "text": "Text"}


class Html(str):
    """Text that is markup already; every other string is escaped before it stands on a page."""

    __slots__ = ()


def words(text: str) -> Html:
    """The notice's text as headings and paragraphs; the text content of the result is `text` again, to the byte."""
    parts = []
    for block in blocks(text):
        if block.kind == "gap":
            parts.append(escape(block.text))
        elif block.kind == "paragraph":
            parts.append(f"<p>{escape(block.text)}</p>")
        else:
            shown = escape(block.text.removeprefix(HEADING))
            parts.append(f'<h2><span class="mark" aria-hidden="true">{HEADING}</span>{shown}</h2>')
    return Html("".join(parts))


def languages(notice: Notice) -> list[str]:
    """The languages it is written in, German and English first."""
    found = [language for language, text in notice.text.items() if text.strip()]
    return sorted(found, key=lambda one: (OWN.index(one) if one in OWN else len(OWN), one))


def sheet_values(shop: ShopConfig, notice: Notice, language: str, zones: Collection[str]) -> dict[str, str]:
    """What one language's sheet shows; `zones` are those with a receiver."""
    own = language if language in OWN else "en"
    digest = notice.sha256(language)
    name = shop.store_name
    fallback = {"de": "Dieses Geschäft", "en": "This shop"}
    return {
        "language": language,
        "shop": name.get(language) or name.get(own) or next(iter(name.values()), fallback[own]),
        "text": words(notice.text[language]),
        "zones": where(shop, zones, own),
        "controller": notice.controller,
        "contact": notice.contact,
        "version": notice.version,
        "sha256": digest,
        "short": " ".join((digest[:4], digest[4:8], digest[8:12], "…")),
    }


def where(shop: ShopConfig, zones: Collection[str], language: str) -> str:
    """The areas in which somebody may be recognised, as a sentence."""
    named = [shop.zones.get(zone, {}) for zone in sorted(zones)]
    names = [
        name.get(language) or next(iter(name.values()), zone) for zone, name in zip(sorted(zones), named, strict=True)
    ]
    if not names:
        return {"de": "Derzeit steht hier kein Empfänger.", "en": "No receiver stands here at present."}[language]
    listed = ", ".join(names)
    return {"de": f"Empfänger stehen hier: {listed}.", "en": f"Receivers stand here: {listed}."}[language]


def missing_values(missing: Collection[str]) -> dict[str, str]:
    """What the notice lacks, for the page that says so."""
    german = ", ".join(_MISSING_DE[one] for one in missing)
    return {"missing_de": german, "missing_en": ", ".join(missing)}


def switches(chosen: Collection[str], shown: Collection[str]) -> Html:
    """Links to each language; with `shown` naming one, also the way back to all."""
    links = [
        f'<a href="/notice?language={escape(one)}" lang="{escape(one)}">{escape(NAMES.get(one, one))}</a>'
        for one in chosen
        if list(shown) != [one]
    ]
    return Html("".join(links) if len(chosen) > 1 else "")
