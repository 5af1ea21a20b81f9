"""NDEF bytes of a tag <-> Token. Pure; readers and their threads live in drivers.reader."""

import ndef

from drivers import signed, sun
from drivers.talk import Found, Outcome, Refused, Talk
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.errors import PeerError

# The largest tag that shops meet is an NTAG216 (868 bytes of NDEF); a phone may emulate up to 64 KiB. 8 KiB holds
# at most 2,730 records: 8 ms of decoding measured on x86-64, so well under 100 ms on a Pi.
MESSAGE_BYTES_MAX = 8192

# A membership URI with a signed query stays under 300 bytes; longer ones are not ours.
VALUE_BYTES_MAX = 512

# Only URI records are unpacked by the library: its decoders for Wi-Fi, Bluetooth, signatures and so on never see
# hostile bytes, and its Text decoder takes UTF-16 without a byte order mark for little endian.
_URI = "urn:nfc:wkt:U"
_TEXT = "urn:nfc:wkt:T"


def decode(message: bytes) -> Token | None:
    """Token of the first URI or Text record (UTF-8, prefix expanded), None when there is none or it is empty.

    Raises PeerError: "ndef_malformed", or "ndef_size" for a message above 8192 or a value above 512 bytes.
    Records behind the first hit are not looked at; a chunked record counts by its first chunk only.
    """
    if len(message) > MESSAGE_BYTES_MAX:
        raise PeerError("ndef_size")
    try:
        value = _first_value(message)
    except (ndef.DecodeError, ValueError):
        # ValueError: a type or text that cannot be (UnicodeDecodeError is one too).
        # `from None`, because the library's messages quote the payload.
        raise PeerError("ndef_malformed") from None
    if len(value) > VALUE_BYTES_MAX:
        raise PeerError("ndef_size")
    return Token(CredentialKind.NDEF, value) if value else None


def judge(message: bytes, talk: Talk) -> Outcome:
    """What an NDEF message shows by its first URI or Text: a SUN message, else a signed id, else a plain text.

    None: an empty message, or none of these records. A text in the form of a stronger kind that fails is refused and
    never taken for a weaker kind.
    """
    try:
        token = decode(message)
    except PeerError as error:
        # Half written or half read may be whole the next time; what is too large stays so.
        return Refused(error.reason, Trouble.AGAIN if error.reason == "ndef_malformed" else Trouble.REFUSED)
    if token is None:
        return None
    text = token.value.decode()
    return sun.judge(text, talk) or signed.judge(text, talk) or Found(token, Proof.BEARER)


def _first_value(message: bytes) -> bytes:
    for record in ndef.message_decoder(message, errors="strict", known_types={_URI: ndef.UriRecord}):
        if record.type == _URI:
            return str(record.iri).encode()
        if record.type == _TEXT:
            return _text(bytes(record.data)).encode()
    return b""


def _text(payload: bytes) -> str:
    """The text of a Text record's payload: status byte, language code, text (RTD Text 1.0, sections 3.2 and 3.4)."""
    if not payload:
        raise ValueError("a Text record without status byte")
    text = payload[1 + (payload[0] & 0x3F) :]
    if payload[0] & 0x80 == 0:
        return text.decode("utf-8")
    marked = text[:2] in (b"\xff\xfe", b"\xfe\xff")
    return text.decode("utf-16" if marked else "utf-16-be")


def encode_uri(uri: str) -> bytes:
    """The NDEF message with one URI record, prefix shortened as RTD URI 1.0 says."""
    return b"".join(ndef.message_encoder([ndef.UriRecord(uri)]))


def encode_text(text: str, language: str = "en") -> bytes:
    """The NDEF message with one UTF-8 Text record; `language` is an IANA code of 1-63 ASCII characters."""
    return b"".join(ndef.message_encoder([ndef.TextRecord(text, language)]))
