/** What a box says that belongs to nobody yet, on its own screen and on the page for its installer's phone. */

const WORDS = {
  de: {
    title: "Dieses Gateway wartet auf seinen Laden", code: "Code dieses Geräts", codeLabel: "Code: {code}",
    step1: "Nennen Sie der Zentrale diesen Code. Sie schreibt eine Datei, die nur dieses Gerät öffnet.",
    step2: "Kopieren Sie die Datei auf einen USB-Stick und stecken Sie ihn hier ein. Den Rest macht das Gerät.",
    step3: "Oder geben Sie die Datei mit einem Telefon im selben Netz ab: Bild scannen oder {address} öffnen.",
    step3none: "Ohne Netzwerk geht es nur mit dem Stick. Mit Netzwerkkabel erscheint hier ein Bild zum Scannen.",
    askedTitle: "Die Datei wird geprüft", askedText: "Bitte eingeschaltet lassen.",
    aloneTitle: "Niemand nimmt die Datei", aloneText: "Als Administrator auf dem Gerät: store-gateway provision --asked",
    takenTitle: "Geschafft", takenText: "Dieses Gerät gehört jetzt zu {gateway}. Es startet neu.", itsShop: "seinem Laden",
    lostTitle: "Einen Moment", lostText: "Das Gateway startet. Diese Seite geht von selbst weiter.",
    refused: "Nicht angenommen: {what}.",
    formTitle: "Gateway einrichten", formLead: "Mit der Datei, die die Zentrale für dieses Gerät geschrieben hat.",
    language: "English", formCode: "Code", formCodeHint: "Acht Buchstaben und Ziffern, groß auf dem Bildschirm des Geräts.",
    formFile: "Datei", choose: "Datei auswählen", chosen: "Ausgewählt: {name}", formText: "Oder der Text aus dem QR-Code der Zentrale",
    give: "Abgeben", giving: "Wird geprüft …", lack: "Bitte eine Datei auswählen oder den Text einfügen.",
    plain: "Die Seite ist nicht verschlüsselt. In einem Netz, in dem Fremde mithören können, nehmen Sie den USB-Stick.",
    wrong: "der Code stimmt nicht", wrong_step: "Vergleichen Sie ihn mit dem Bildschirm des Geräts.",
    wait: "es waren zu viele falsche Codes", wait_step: "Warten Sie zehn Minuten, oder nehmen Sie den USB-Stick.",
    failed: "keine Verbindung zum Gerät", failed_step: "Prüfen Sie das Netzwerk, und versuchen Sie es noch einmal.",
    missing: "auf dem Stick ist keine Datei der Zentrale", missing_step: "Kopieren Sie store-gateway-provision.json ganz oben auf den Stick, und stecken Sie ihn wieder ein.",
    stick: "der Stick lässt sich nicht lesen", stick_step: "Formatieren Sie ihn als FAT oder exFAT, kopieren Sie die Datei darauf, und stecken Sie ihn wieder ein.",
    many: "mehrere Dateien passen", many_step: "Lassen Sie nur die Datei für dieses Gerät auf dem Stick.",
    form: "das ist keine Datei der Zentrale für ein Gateway", form_step: "Nehmen Sie die Datei, die „hq provision“ geschrieben hat.",
    torn: "die Datei ist beschädigt oder wurde verändert", torn_step: "Kopieren Sie sie noch einmal, sonst schreibt die Zentrale eine neue.",
    newer: "die Datei ist für eine neuere Version", newer_step: "Aktualisieren Sie zuerst dieses Gerät.",
    code_: "die Datei ist für ein anderes Gerät", code_step: "Nennen Sie der Zentrale den Code von diesem Bildschirm; sie schreibt eine für dieses.",
    stale: "die Datei ist abgelaufen", stale_step: "Die Zentrale schreibt eine neue.",
    clock: "die Datei ist nach der Uhr dieses Geräts abgelaufen, und die Uhr ist ungeprüft", clock_step: "Schließen Sie das Netzwerk an, damit das Gerät die Zeit erfährt, und versuchen Sie es noch einmal.",
    already: "dieses Gerät gehört schon zu einem Laden", already_step: "Zum Umziehen: sudo store-gateway provision --reset TENANT/STORE/ID",
    data: "auf dem Gerät liegen noch Daten eines anderen Ladens", data_step: "Löschen Sie sie zuerst: sudo store-gateway provision --reset none",
    config: "die Angaben passen nicht zu diesem Gerät", config_step: "Sagen Sie es der Zentrale; „store-gateway doctor“ nennt die Stelle.",
    disk: "die Speicherkarte nimmt nichts an", disk_step: "Schaffen Sie Platz, oder tauschen Sie die Karte.",
  },
  en: {
    title: "This gateway is waiting for its shop", code: "Code of this device", codeLabel: "Code: {code}",
    step1: "Tell headquarters this code. It writes a file that only this device opens.",
    step2: "Copy the file to a USB stick and plug it in here. The device does the rest.",
    step3: "Or hand the file in with a phone in the same network: scan the picture or open {address}.",
    step3none: "Without a network only the stick works. With a network cable a picture to scan appears here.",
    askedTitle: "The file is being checked", askedText: "Please leave it switched on.",
    aloneTitle: "Nobody takes the file", aloneText: "As administrator on the device: store-gateway provision --asked",
    takenTitle: "Done", takenText: "This device belongs to {gateway} now. It is starting anew.", itsShop: "its shop",
    lostTitle: "One moment", lostText: "The gateway is starting. This page goes on by itself.",
    refused: "Not accepted: {what}.",
    formTitle: "Set up the gateway", formLead: "With the file that headquarters wrote for this device.",
    language: "Deutsch", formCode: "Code", formCodeHint: "Eight letters and digits, in large on the device's screen.",
    formFile: "File", choose: "Choose the file", chosen: "Chosen: {name}", formText: "Or the text of headquarters' QR code",
    give: "Hand in", giving: "Checking …", lack: "Please choose a file or paste the text.",
    plain: "This page is not encrypted. In a network where strangers may listen, use the USB stick.",
    wrong: "the code is not right", wrong_step: "Compare it with the device's screen.",
    wait: "there were too many wrong codes", wait_step: "Wait ten minutes, or use the USB stick.",
    failed: "no connection to the device", failed_step: "Check the network, and try again.",
    missing: "there is no file of headquarters on the stick", missing_step: "Copy store-gateway-provision.json to the top of the stick, and plug it in again.",
    stick: "the stick cannot be read", stick_step: "Format it as FAT or exFAT, copy the file to it, and plug it in again.",
    many: "several files fit", many_step: "Leave only the file for this device on the stick.",
    form: "this is no file of headquarters for a gateway", form_step: "Take the file that “hq provision” wrote.",
    torn: "the file is damaged or was changed", torn_step: "Copy it once more, else headquarters writes a new one.",
    newer: "the file is for a newer version", newer_step: "Update this device first.",
    code_: "the file is for another device", code_step: "Tell headquarters the code of this screen; it writes one for this device.",
    stale: "the file has ended", stale_step: "Headquarters writes a new one.",
    clock: "the file has ended by this device's clock, which nobody vouches for", clock_step: "Connect the network, so that the device learns the time, and try again.",
    already: "this device belongs to a shop already", already_step: "To move it: sudo store-gateway provision --reset TENANT/STORE/ID",
    data: "another shop's data are still on this device", data_step: "Wipe them first: sudo store-gateway provision --reset none",
    config: "what it says does not go with this device", config_step: "Tell headquarters; “store-gateway doctor” names the place.",
    disk: "the memory card takes nothing", disk_step: "Free space, or replace the card.",
  },
};

export function said(language, key, slots = {}) {
  return WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => slots[name] ?? "");
}

/** What is wrong with a file, and what to do: two sentences. */
export function refusal(language, reason) {
  const what = WORDS[language][reason === "code" ? "code_" : reason] ?? reason;
  return [said(language, "refused", { what }), WORDS[language][`${reason}_step`] ?? ""];
}
