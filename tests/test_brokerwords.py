import ssl

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from sync import brokerwords


def test_codes_after_which_we_stay_away_are_errors_that_mqtt_knows_and_have_words() -> None:
    names = ReasonCode(PacketTypes.DISCONNECT).names  # type: ignore[no-untyped-call]  # paho gives it none
    for code in brokerwords.BUSY_CODES:
        assert code in names
        assert code >= 0x80
        assert brokerwords.code_words(code, "the name") != "the name"
    assert 0x8E not in brokerwords.BUSY_CODES, "a box with our name comes back as quickly as we do"


def test_a_code_without_words_of_ours_has_its_name() -> None:
    assert brokerwords.code_words(0x99, "Payload format invalid") == "Payload format invalid"


def test_who_is_not_let_in_is_told_the_account_and_not_the_cable() -> None:
    for code in (0x86, 0x87):
        said = brokerwords.not_let_in(code, "Not authorized", True)
        assert "this box's account in with its password" in said.words
        assert "password_file" in said.step
        assert "names none" in brokerwords.not_let_in(code, "Not authorized", False).words
    busy = brokerwords.not_let_in(0x89, "Server busy", True)
    assert busy == ("the broker refuses the connection: it is busy", "")


def test_what_the_rules_forbid_and_two_boxes_under_one_name_have_steps_of_their_own() -> None:
    assert "tenant, store and id" in brokerwords.refused("a subscription", 0x80, "?").step
    assert "tenant, store and id" in brokerwords.refused("a message", 0x87, "?").step
    assert brokerwords.refused("a message", 0x97, "?").step == ""
    said = brokerwords.sent_away(brokerwords.TAKEN_OVER, "?")
    assert "another box has come with the same name" in said.words
    assert said.step.startswith("Two boxes have the same tenant, store and id")
    assert brokerwords.sent_away(0x8B, "?").step == ""


def test_alerts_about_our_certificate_are_told_and_others_are_not() -> None:
    told = brokerwords.alert("failed to receive on socket: [SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] ssl/tls alert")
    assert told is not None
    assert told.words == "the broker refuses the certificate of this box: it has expired"
    assert "cert_file" in told.step
    assert brokerwords.alert("[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error") is None
    assert brokerwords.alert("[Errno 104] Connection reset by peer") is None


def test_what_cannot_be_reached_has_words_whatever_it_is() -> None:
    nobody = brokerwords.unreachable(OSError(111, "Connection refused"))
    assert nobody.words.endswith("Connection refused")
    assert nobody.step.startswith("Check host and port")
    assert brokerwords.unreachable(OSError(113, "No route to host")).step == "", "that may well be the cable"
    assert brokerwords.unreachable(UnicodeError("label too long")).words.endswith("UnicodeError")
    unknown = ssl.SSLCertVerificationError(1, "rejected")
    unknown.verify_code, unknown.verify_message = 999, "something new"
    assert brokerwords.unreachable(unknown).words == "the broker's certificate cannot be trusted (something new)"
    plain = ssl.SSLError(1, "rejected")
    assert "no TLS" in brokerwords.unreachable(plain).words


def test_a_port_that_takes_the_connection_and_no_tls_is_told_apart() -> None:
    for error in (OSError(104, "Connection reset by peer"), TimeoutError("timed out"), ssl.SSLEOFError(8, "EOF")):
        said = brokerwords.unreachable(error, under_tls=True)
        assert "takes the connection, but no TLS" in said.words
        assert said.step.startswith("Does this port speak TLS?")
    assert brokerwords.unanswered("it closes", under_tls=True) == ("it closes", "")
    assert "wants TLS" in brokerwords.unanswered("it closes", under_tls=False).step
