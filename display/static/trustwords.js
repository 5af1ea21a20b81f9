/** The words of the guide to trust, in German and English. [[...]] is what stands on the device's own buttons. */

export const WORDS = {
  de: {
    title: "Sichere Verbindung", lead: "Einmal einrichten, dann kennt dieses Gerät das Gateway in diesem Laden.", leadNone: "Dieser Laden arbeitet ohne sie.", language: "English",
    onWhat: "Welches Gerät ist das?", stepsTitle: "So geht es", checkTitle: "Hat es geklappt?", compareTitle: "Vorher vergleichen",
    compare: "Diese Zeichen müssen dieselben sein, die am Gateway der Befehl {command} zeigt. Zeigt dieses Gerät beim Installieren einen SHA-256-Fingerabdruck, gilt dasselbe. Sind sie es nicht, brechen Sie ab.",
    elsewhere: "Auf einem anderen Gerät öffnen", scan: "Mit der Kamera scannen oder eintippen",
    without: "Ohne sichere Verbindung geht das meiste auch", withoutText: "Beratung, Kasse und Bildschirme arbeiten ganz normal. Nur drei Dinge fehlen: die Seite als App ablegen, eine eigene Seite bei Ausfall des Gateways und ein Bildschirm, der an der Kasse wach bleibt.",
    whatTitle: "Was erlaube ich damit?", what: "Das Gerät glaubt diesem Gateway, wenn es sich ausweist, und nur ihm: seinen eigenen Namen und Adressen im eigenen Netz. Keiner Seite im Internet.",
    get_profile: "Profil laden", get_crt: "Zertifikat laden",
    checking: "Wird geprüft …", trusted: "Dieses Gerät vertraut jetzt diesem Laden", trustedText: "Ab jetzt gilt die sichere Adresse: [[{address}]]",
    reached: "Dieses Gerät kennt das Gateway noch nicht", reachedText: "Gehen Sie die Schritte durch; danach wird das hier von selbst grün. Schon alles getan? {last}",
    unreached: "Der sichere Zugang ist nicht erreichbar", unreachedText: "Von diesem Gerät kommt am Anschluss {port} nichts an. Vielleicht lässt das WLAN oder eine Firewall ihn nicht durch.",
    waits: "Das Gateway ist noch nicht so weit", waitsText: "Es hat noch kein Zertifikat, meist weil seine Uhr noch nicht stimmt. Diese Seite versucht es weiter.",
    away: "Das Gateway antwortet nicht", awayText: "Diese Seite versucht es weiter.",
    none: "Hier ist keine sichere Verbindung eingerichtet", noneText: "Alle Seiten arbeiten auch so. Wer das Gateway betreut, schaltet sie mit https_port in der Konfiguration ein.",
    own: "Ihr Unternehmen hat ein eigenes Zertifikat", ownText: "Auf verwalteten Geräten ist nichts zu tun.",
    warned: "Eine Warnung wurde übergangen", warnedText: "Diese Seite ist verschlüsselt, aber dieses Gerät vertraut ihr nicht. Gehen Sie die Schritte durch, und laden Sie sie neu.",
    openSecure: "Sichere Seite öffnen", openTablet: "Zur Beratung",
    s_secure: "Sichere Verbindung", s_secure_yes: "Das Gerät vertraut diesem Gateway.", s_secure_no: "Noch nicht.",
    s_offline: "Eigene Seite bei Ausfall", s_offline_yes: "Eingerichtet. Fällt das Gateway aus, sagt das Gerät es klar und kommt von selbst zurück.", s_offline_no: "Noch nicht. Öffnen Sie einmal die Seite Beratung oder Kasse.", s_offline_later: "Erst auf der sicheren Seite.",
    s_app: "Als App abgelegt", s_app_yes: "Diese Seite läuft als App.", s_app_no: "Öffnen Sie die Beratung und legen Sie sie ab: {how}", s_app_later: "Erst auf der sicheren Seite.",
    ios: "iPad, iPhone", android: "Android", windows: "Windows", chromeos: "Chromebook", macos: "Mac", linux: "Linux",
    last_ios: "Meist fehlt der Schalter in Schritt 4.", last_android: "Meist fehlt der Schritt in den Einstellungen.", last_windows: "Meist fehlt der richtige Speicher in Schritt 3, oder der Browser lief noch.", last_chromeos: "Meist fehlt das Häkchen in Schritt 3.", last_macos: "Meist fehlt „Immer vertrauen“ in Schritt 3.", last_linux: "Meist fehlt der Import im Browser.",
    how_ios: "Safari, [[Teilen]], [[Zum Home-Bildschirm]].", how_android: "Chrome, Menü ⋮, [[Zum Startbildschirm hinzufügen]].", how_windows: "In der Adresszeile auf [[Installieren]].", how_chromeos: "In der Adresszeile auf [[Installieren]].", how_macos: "Chrome: in der Adresszeile [[Installieren]]. Safari: [[Ablage]], [[Zum Dock hinzufügen]].", how_linux: "In der Adresszeile auf [[Installieren]].",
  },
  en: {
    title: "Secure connection", lead: "Set it up once, and this device knows the gateway of this shop.", leadNone: "This shop works without it.", language: "Deutsch",
    onWhat: "Which device is this?", stepsTitle: "How to do it", checkTitle: "Did it work?", compareTitle: "Compare first",
    compare: "These characters must be the ones that the command {command} shows on the gateway. If this device shows a SHA-256 fingerprint while installing, the same holds. If they are not, stop here.",
    elsewhere: "Open on another device", scan: "Scan with the camera, or type",
    without: "Most things work without it, too", withoutText: "Advice, till and screens work as always. Only three things are missing: keeping the page as an app, a page of its own while the gateway is away, and a screen that stays awake at the till.",
    whatTitle: "What do I allow?", what: "The device believes this gateway when it shows who it is, and this one alone: its own names, and addresses of your own network. No site on the internet.",
    get_profile: "Get the profile", get_crt: "Get the certificate",
    checking: "Checking …", trusted: "This device now trusts this shop", trustedText: "The secure address counts from now on: [[{address}]]",
    reached: "This device does not know the gateway yet", reachedText: "Follow the steps; this turns green by itself afterwards. All done already? {last}",
    unreached: "The secure port cannot be reached", unreachedText: "Nothing from this device arrives at port {port}. Perhaps the Wi-Fi or a firewall keeps it back.",
    waits: "The gateway is not ready yet", waitsText: "It has no certificate yet, mostly because its clock is not right yet. This page keeps trying.",
    away: "The gateway does not answer", awayText: "This page keeps trying.",
    none: "No secure connection is set up here", noneText: "All pages work like this, too. Whoever looks after the gateway turns it on with https_port in the configuration.",
    own: "Your company has a certificate of its own", ownText: "On managed devices there is nothing to do.",
    warned: "A warning was passed over", warnedText: "This page is encrypted, but this device does not trust it. Follow the steps, and load it again.",
    openSecure: "Open the secure page", openTablet: "Open advice",
    s_secure: "Secure connection", s_secure_yes: "The device trusts this gateway.", s_secure_no: "Not yet.",
    s_offline: "A page of its own while away", s_offline_yes: "Set up. If the gateway is away, the device says so clearly and comes back by itself.", s_offline_no: "Not yet. Open the page Advice or Till once.", s_offline_later: "On the secure page only.",
    s_app: "Kept as an app", s_app_yes: "This page runs as an app.", s_app_no: "Open advice and keep it: {how}", s_app_later: "On the secure page only.",
    ios: "iPad, iPhone", android: "Android", windows: "Windows", chromeos: "Chromebook", macos: "Mac", linux: "Linux",
    last_ios: "Mostly the switch of step 4 is missing.", last_android: "Mostly the step in the settings is missing.", last_windows: "Mostly the right store of step 3 is missing, or the browser was still running.", last_chromeos: "Mostly the tick of step 3 is missing.", last_macos: "Mostly “Always Trust” of step 3 is missing.", last_linux: "Mostly the import in the browser is missing.",
    how_ios: "Safari, [[Share]], [[Add to Home Screen]].", how_android: "Chrome, menu ⋮, [[Add to Home screen]].", how_windows: "[[Install]] in the address bar.", how_chromeos: "[[Install]] in the address bar.", how_macos: "Chrome: [[Install]] in the address bar. Safari: [[File]], [[Add to Dock]].", how_linux: "[[Install]] in the address bar.",
  },
};

/** Platform -> which file it takes, and its steps. {title}: the authority as the device lists it. */
export const STEPS = {
  ios: {
    file: "mobileconfig",
    de: ["In Safari hier auf [[Profil laden]] tippen, dann [[Zulassen]].", "[[Einstellungen]] öffnen, oben auf [[Profil geladen]], dann [[Installieren]]. Fehlt es: [[Allgemein]], [[VPN und Geräteverwaltung]].", "Gerätecode eingeben, [[Installieren]], noch einmal [[Installieren]].", "[[Einstellungen]], [[Allgemein]], [[Info]], ganz unten [[Zertifikatsvertrauenseinstellungen]]: den Schalter bei {title} einschalten, [[Weiter]].", "Hierher zurückkommen."],
    en: ["In Safari tap [[Get the profile]] here, then [[Allow]].", "Open [[Settings]], tap [[Profile Downloaded]] at the top, then [[Install]]. If it is not there: [[General]], [[VPN & Device Management]].", "Enter the passcode, tap [[Install]], and [[Install]] again.", "[[Settings]], [[General]], [[About]], at the very bottom [[Certificate Trust Settings]]: turn on {title}, [[Continue]].", "Come back here."],
  },
  android: {
    file: "crt",
    de: ["Hier auf [[Zertifikat laden]] tippen; fragt der Browser nach, [[Behalten]]. Will Android es gleich öffnen, abbrechen: Es geht nur über die Einstellungen.", "[[Einstellungen]] öffnen und nach „CA-Zertifikat“ suchen. Sonst: [[Sicherheit und Datenschutz]], [[Weitere Sicherheitseinstellungen]], [[Verschlüsselung und Anmeldedaten]], [[Zertifikat installieren]].", "[[CA-Zertifikat]], [[Trotzdem installieren]], Bildschirmsperre eingeben, die Datei store-gateway.crt wählen.", "Hierher zurückkommen, in Chrome. Android meldet nun „Netzwerk wird möglicherweise überwacht“; gemeint ist dieses Zertifikat."],
    en: ["Tap [[Get the certificate]] here; if the browser asks, [[Keep]]. If Android wants to open it at once, cancel: it can be installed from the settings only.", "Open [[Settings]] and search for “CA certificate”. Else: [[Security & privacy]], [[More security settings]], [[Encryption & credentials]], [[Install a certificate]].", "[[CA certificate]], [[Install anyway]], unlock the screen, choose the file store-gateway.crt.", "Come back here, in Chrome. Android now says “Network may be monitored”; it means this certificate."],
  },
  windows: {
    file: "crt",
    de: ["Hier auf [[Zertifikat laden]] klicken (warnt der Browser, [[Behalten]]) und die Datei öffnen.", "[[Zertifikat installieren …]], [[Aktueller Benutzer]], [[Weiter]].", "[[Alle Zertifikate in folgendem Speicher speichern]], [[Durchsuchen …]], [[Vertrauenswürdige Stammzertifizierungsstellen]], [[OK]], [[Weiter]], [[Fertig stellen]].", "Die Warnung mit [[Ja]] bestätigen, wenn der Fingerabdruck stimmt.", "Den Browser ganz schließen und wieder öffnen."],
    en: ["Click [[Get the certificate]] here (if the browser warns, [[Keep]]) and open the file.", "[[Install Certificate…]], [[Current User]], [[Next]].", "[[Place all certificates in the following store]], [[Browse…]], [[Trusted Root Certification Authorities]], [[OK]], [[Next]], [[Finish]].", "Answer the warning with [[Yes]] if the fingerprint is right.", "Close the browser completely and open it again."],
  },
  chromeos: {
    file: "crt",
    de: ["Hier auf [[Zertifikat laden]] klicken; warnt der Browser, [[Behalten]].", "[[Einstellungen]], [[Sicherheit und Datenschutz]], [[Zertifikate verwalten]], [[Zertifizierungsstellen]], [[Importieren]]; die Datei store-gateway.crt wählen.", "[[Diesem Zertifikat zur Identifizierung von Websites vertrauen]] ankreuzen, [[OK]].", "Hierher zurückkommen. Auf verwalteten Chromebooks richtet es Ihre IT ein."],
    en: ["Click [[Get the certificate]] here; if the browser warns, [[Keep]].", "[[Settings]], [[Security and privacy]], [[Manage certificates]], [[Authorities]], [[Import]]; choose the file store-gateway.crt.", "Tick [[Trust this certificate for identifying websites]], [[OK]].", "Come back here. On managed Chromebooks your IT does it."],
  },
  macos: {
    file: "crt",
    de: ["Hier auf [[Zertifikat laden]] klicken (warnt der Browser, [[Behalten]]) und die Datei öffnen: [[Schlüsselbundverwaltung]] nimmt sie auf.", "Dort unter [[Zertifikate]] auf {title} doppelklicken.", "[[Vertrauen]] aufklappen, [[Bei Verwendung dieses Zertifikats]]: [[Immer vertrauen]]. Fenster schließen, Passwort eingeben.", "Hierher zurückkommen."],
    en: ["Click [[Get the certificate]] here (if the browser warns, [[Keep]]) and open the file: [[Keychain Access]] takes it.", "There, under [[Certificates]], double-click {title}.", "Open [[Trust]], [[When using this certificate]]: [[Always Trust]]. Close the window, enter the password.", "Come back here."],
  },
  linux: {
    file: "crt",
    de: ["Hier auf [[Zertifikat laden]] klicken; warnt der Browser, [[Behalten]].", "Chromium: chrome://certificate-manager öffnen, [[Lokale Zertifikate]], [[Benutzerdefiniert]], [[Vertrauenswürdige Zertifikate]], [[Importieren]].", "Firefox stattdessen: [[Einstellungen]], „Zertifikate“ suchen, [[Zertifikate anzeigen]], [[Zertifizierungsstellen]], [[Importieren]], Vertrauen für Websites ankreuzen.", "Ein Bildschirm ohne Tastatur stattdessen: certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n store-gateway -i store-gateway.crt", "Hierher zurückkommen."],
    en: ["Click [[Get the certificate]] here; if the browser warns, [[Keep]].", "Chromium: open chrome://certificate-manager, [[Local certificates]], [[Custom]], [[Trusted certificates]], [[Import]].", "Firefox instead: [[Settings]], search for “certificates”, [[View Certificates]], [[Authorities]], [[Import]], tick trust for websites.", "A screen without a keyboard instead: certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n store-gateway -i store-gateway.crt", "Come back here."],
  },
};

/** What this browser runs on; an iPad says that it is a Mac, but no Mac has a touch screen. */
export function platform(agent = navigator.userAgent, touches = navigator.maxTouchPoints) {
  if (/iPad|iPhone|iPod/.test(agent) || (/Macintosh/.test(agent) && touches > 1)) return "ios";
  if (/Android/.test(agent)) return "android";
  if (/CrOS/.test(agent)) return "chromeos";
  if (/Windows/.test(agent)) return "windows";
  return /Macintosh/.test(agent) ? "macos" : "linux";
}
