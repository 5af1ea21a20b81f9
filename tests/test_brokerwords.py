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


def test_alerts_about_our_certificate_are_told_and_others_are_not() -> None:
    told = brokerwords.alert_words("failed to receive on socket: [SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] ssl/tls alert")
    assert told == "the broker refuses the certificate of this box: it has expired"
    assert brokerwords.alert_words("[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error") is None
    assert brokerwords.alert_words("[Errno 104] Connection reset by peer") is None


def test_what_cannot_be_reached_has_words_whatever_it_is() -> None:
    assert brokerwords.unreachable_words(OSError(111, "Connection refused")).endswith("Connection refused")
    assert brokerwords.unreachable_words(UnicodeError("label too long")).endswith("UnicodeError")
    unknown = ssl.SSLCertVerificationError(1, "rejected")
    unknown.verify_code, unknown.verify_message = 999, "something new"
    assert brokerwords.unreachable_words(unknown) == "the broker's certificate cannot be trusted (something new)"
    plain = ssl.SSLError(1, "rejected")
    assert "no TLS" in brokerwords.unreachable_words(plain)
