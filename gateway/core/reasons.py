"""Why something was shown or not, as sentences in German and English, for the member who asks. Pure."""

from gateway.core.model import Text

# One sentence per stable code of core.offers, core.consent and core.proof; tests hold that none is missing.
_SENTENCES: dict[str, tuple[str, str]] = {
    "chosen": ("Es passte und stand an erster Stelle.", "It fitted and came first."),
    "ranked_lower": ("Ein anderes Angebot stand davor.", "Another offer came before it."),
    "nothing_eligible": ("Kein Angebot kam in Frage.", "No offer was eligible."),
    "schedule": ("Es galt zu dieser Zeit nicht.", "It was not valid at that time."),
    "store": ("Es gilt nicht in diesem Laden.", "It is not for this store."),
    "placement": ("Es gilt nicht für diesen Ort.", "It is not for this place."),
    "channel": ("Es ist für einen anderen Weg gedacht.", "It is meant for another channel."),
    "eligibility": ("Seine Bedingungen waren nicht erfüllt.", "Its conditions were not met."),
    "eligibility.unknown": (
        "Für seine Bedingungen war nicht genug bekannt.",
        "Too little was known for its conditions.",
    ),
    "stock": ("Die Ware war nicht mehr da.", "The goods were sold out."),
    "stock.unknown": ("Ob die Ware da ist, war nicht bekannt.", "It was not known whether the goods are there."),
    "price.unknown": (
        "Der Artikel steht nicht in der Preisliste.",
        "The article is not in the price list.",
    ),
    "text.unknown": (
        "Ein Name, den sein Text nennt, war nicht bekannt.",
        "A name that its text says was not known.",
    ),
    "price.disagrees": (
        "Sein Preis stimmt nicht mit der Preisliste überein.",
        "Its price does not agree with the price list.",
    ),
    "group": (
        "Ein anderes Angebot schließt es für einen Tag aus.",
        "Another offer excludes it for a day.",
    ),
    "holdout": (
        "Zum Vergleich wird ein Teil der Mitglieder ausgenommen.",
        "For comparison a part of the members is left out.",
    ),
    "holdout.first": (
        "Es hätte an erster Stelle gestanden; zum Vergleich wird ein Teil der Mitglieder ausgenommen.",
        "It would have come first; for comparison a part of the members is left out.",
    ),
    "zone": ("Es gilt nicht für diesen Bereich.", "It is not for this zone."),
    "not_public_safe": (
        "Es darf nicht auf einem öffentlichen Bildschirm stehen.",
        "It may not stand on a public screen.",
    ),
    "category.not_public": (
        "Seine Warengruppe steht nicht auf der Liste für öffentliche Bildschirme.",
        "Its category is not on the list for public screens.",
    ),
    "says_you": (
        "Es spricht eine einzelne Person an, und das liest dort jeder.",
        "It speaks to one person, and everybody reads that there.",
    ),
    "in_the_loop": ("Es läuft dort ohnehin für alle.", "It runs there for everybody anyway."),
    "interests": ("Es passt zu keinem der gespeicherten Interessen.", "It fits none of the interests that are stored."),
    "does_not_fit_company": (
        "Es hätte nicht zu allen gepasst, die dort standen.",
        "It would not have fitted everybody who stood there.",
    ),
    "company_without_consent": (
        "Wer sonst dort stand, hat dem nicht zugestimmt.",
        "Somebody else who stood there has not agreed to that.",
    ),
    "budget.day": ("Für diesen Tag war genug gezeigt.", "Enough had been shown on that day."),
    "budget.pause": ("Die Pause nach dem letzten Angebot lief noch.", "The pause after the last offer was not over."),
    "budget.quiet": ("Zu dieser Zeit ist Ruhe.", "These are quiet hours."),
    "budget.ignored": (
        "Die letzten Angebote blieben ohne Antwort; darum ist eine Weile Ruhe.",
        "The last offers were not answered; so there is silence for a while.",
    ),
    "budget.spent": ("Was dafür vorgesehen war, ist verbraucht.", "What was set aside for it is used up."),
    "cap.impressions": ("Es war schon oft genug gezeigt worden.", "It had been shown often enough."),
    "cap.acceptances": ("Es war schon oft genug angenommen worden.", "It had been accepted often enough."),
    "cap.redemptions": ("Es war schon oft genug eingelöst worden.", "It had been redeemed often enough."),
    "cap.store": (
        "In diesem Laden war es schon oft genug vergeben worden.",
        "It had been given out often enough in this shop.",
    ),
    "pause.shown": ("Es war erst kürzlich gezeigt worden.", "It had been shown only recently."),
    "pause.dismissed": ("Es war kürzlich abgelehnt worden.", "It had been dismissed recently."),
    "pause.redeemed": ("Es war kürzlich eingelöst worden.", "It had been redeemed recently."),
    "cap.member": ("Es war schon oft genug gezeigt worden.", "It had been shown often enough."),
    "proof.bearer_limit": (
        "Es ist zu viel wert für eine Karte, die man kopieren kann.",
        "It is worth too much for a card that can be copied.",
    ),
    "consent.given": ("Die Einwilligung galt.", "The consent was in force."),
    "consent.not_given": ("Es gab keine Einwilligung dazu.", "There was no consent to it."),
    "consent.refused": ("Die Einwilligung war abgelehnt.", "The consent was refused."),
    "consent.withdrawn": ("Die Einwilligung war zurückgenommen.", "The consent was withdrawn."),
    "consent.expired": ("Die Einwilligung war abgelaufen.", "The consent had expired."),
    "consent.superseded": ("Die Einwilligung war ersetzt.", "The consent was superseded."),
    "consent.from_the_future": (
        "Die Einwilligung galt zu dieser Zeit noch nicht.",
        "The consent was not yet in force at that time.",
    ),
    "consent.tampered": (
        "Die gespeicherten Einwilligungen wurden von außen verändert; bis das geklärt ist, gilt keine.",
        "The stored consents were changed from outside; until that is settled none counts.",
    ),
    "consent.age": ("Für diese Einwilligung fehlt das Alter.", "The age for this consent is missing or too low."),
    "consent.notice": (
        "Zugestimmt wurde einem anderen Text als dem Datenschutzhinweis.",
        "What was agreed to is another text than the privacy notice.",
    ),
    "consent.clock_in_doubt": (
        "Die Uhr war nicht verlässlich, und die Zentrale hat die Einwilligung noch nicht bestätigt.",
        "The clock was in doubt, and headquarters has not confirmed the consent yet.",
    ),
    "consent.unknown_purpose": ("Diesen Zweck kennt der Laden nicht.", "The shop does not know this purpose."),
    "consent.unknown_state": ("Der Stand der Einwilligung ist unklar.", "The state of the consent is unclear."),
    "consent.fields": ("Die Einwilligung ist nicht lesbar.", "The consent cannot be read."),
    "consent.differs": (
        "Zu dieser Einwilligung gibt es zwei verschiedene Angaben.",
        "There are two different statements about this consent.",
    ),
    "gate.purpose": ("Dieser Zweck darf das nicht lesen.", "This purpose may not read that."),
    "sensitive": (
        "Die Warengruppe ist zu persönlich dafür.",
        "The category is too personal for it.",
    ),
    "names_somebody": (
        "Es hätte den Namen einer Person genannt, die dort stand.",
        "It would have said the name of somebody who stood there.",
    ),
    "age.unknown": ("Das Alter ist nicht bekannt.", "The age is not known."),
    "age.under16": ("Dafür ist ein höheres Alter nötig.", "It needs a higher age."),
}

# What is so now, where it reads differently from what was so when something was decided.
_PRESENT: dict[str, tuple[str, str]] = {
    "consent.given": ("Die Einwilligung gilt.", "The consent is in force."),
    "consent.not_given": ("Es gibt keine Einwilligung dazu.", "There is no consent to it."),
    "consent.refused": ("Es ist abgelehnt.", "It is refused."),
    "consent.withdrawn": ("Die Einwilligung ist zurückgenommen.", "The consent is withdrawn."),
    "consent.expired": ("Die Einwilligung ist abgelaufen.", "The consent has ended."),
    "consent.superseded": ("Die Einwilligung ist ersetzt.", "The consent is replaced."),
    "consent.from_the_future": ("Die Einwilligung gilt noch nicht.", "The consent is not yet in force."),
    "consent.future": ("Die Einwilligung gilt noch nicht.", "The consent is not yet in force."),
    "consent.notice": (
        "Zugestimmt ist einem anderen Text als dem Datenschutzhinweis.",
        "What is agreed to is another text than the privacy notice.",
    ),
    "consent.clock_in_doubt": (
        "Die Uhr ist nicht verlässlich, und die Zentrale hat die Einwilligung noch nicht bestätigt.",
        "The clock is in doubt, and headquarters has not confirmed the consent yet.",
    ),
}


def sentence(code: str) -> Text:
    """What a code means; one that nobody knows is given as it is, because it may not be left out."""
    german, english = _SENTENCES.get(code, (f"Grund: {code}", f"Reason: {code}"))
    return {"de": german, "en": english}


def present(code: str) -> Text:
    """What a code means of something that is so now."""
    german, english = _PRESENT.get(code, ("", ""))
    return {"de": german, "en": english} if german else sentence(code)
