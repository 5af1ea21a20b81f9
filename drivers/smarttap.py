"""Google Smart Tap 2.1, the terminal's side: a conversation that ends with the value of a loyalty pass. Pure.

developers.google.com/wallet/smart-tap (APDU commands, status words, NDEF records); kormax/google-smart-tap for what the
bytes look like. Asks for loyalty passes only: the customer record would be an identifier of every Android phone.
docs/wallets.md says what this proves (Proof.BEARER, and why).
"""

from drivers import iso7816, nested, tapcrypto
from drivers.talk import Exchange, Found, Outcome, Refused, Talk
from gateway.core.keyring import SmartTapKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.errors import PeerError

AID = bytes.fromhex("a000000476d0000111")
LABEL = b"AndroidPay"  # tag 50 of the answer to SELECT OSE.VAS.01
VERSION = 1  # 2.1 is written 0001

# Collectors or key versions tried in one tap. Each costs a phone about 50 ms, and a wallet tap has to end in 200.
ATTEMPTS_MAX = 3
# Google: retry once or more on 92xx.
RETRIES = 2
# GET MORE DATA: 16 parts of some 250 bytes, 4 KiB in all, are far more than one pass has. With all attempts and
# retries a hostile phone gets 156 exchanges out of us, and only its own tap waits for them.
PARTS_MAX = 16
DATA_BYTES_MAX = 4096

NEGOTIATE = bytes.fromhex("90530000")
GET_DATA = bytes.fromhex("90500000")
GET_MORE = bytes.fromhex("90c00000")

# Status words: the first byte says what a terminal should do, the second may be anything.
_OK_PRESIGNED = 0x9002
_NOT_PAYABLE = 0x9101  # success too; what may follow it concerns payment
_NO_PASS = frozenset({0x9001, 0x9102})
_MORE = 0x9100
_CHOOSE = 0x9302
_BUSY = 0x9406
_LOCKED = frozenset({0x6287, 0x6984, 0x6985})
_BY_CLASS = {0x92: "transient", 0x93: "unlock", 0x94: "request", 0x95: "other_merchant"}

_SESSION_OK = 1
_UNKNOWN_MERCHANT = 5
_SESSION_BYTES = 8
_AUTHENTICATED = b"\x01"
_BINARY = b"\x04"
_LOYALTY = b"\x03"
_VERSION = VERSION.to_bytes(2, "big")

_TROUBLES = {
    "choose": Trouble.UNLOCK,
    "unlock": Trouble.UNLOCK,
    "transient": Trouble.AGAIN,
    "busy": Trouble.AGAIN,
    "status": Trouble.AGAIN,
}


def converse(exchange: Exchange, talk: Talk, ose: bytes) -> Outcome:
    """Ask for a pass of each of our collectors in turn, the newest key first.

    `ose`: the data of the answer to SELECT OSE.VAS.01. None = no pass of ours. Raises CardGoneError.
    """
    refused = None
    without_pass: set[bytes] = set()
    attempts = 0
    for key in talk.keyring.of(SmartTapKey, talk.now_ms):
        if key.collector in without_pass or attempts == ATTEMPTS_MAX:
            continue
        attempts += 1
        try:
            value = _attempt(exchange, talk, key, ose)
        except PeerError as error:
            refused = Refused(f"smarttap.{error.reason}", _TROUBLES.get(error.reason, Trouble.REFUSED))
            if error.reason != "other_merchant":  # that may be a key version which the phone does not know yet
                return refused
        else:
            if value is not None:
                return Found(Token(CredentialKind.PASS, value), Proof.BEARER)
            without_pass.add(key.collector)
        ose = b""  # the next one selects Smart Tap anew, for a nonce that nobody has signed yet
    return refused


def negotiation(own: tapcrypto.Ephemeral, session: bytes, collector: bytes, version: int, signature: bytes) -> bytes:
    """Data of NEGOTIATE SECURE SESSION. `session`: 8 bytes; `version`: of the collector's key."""
    signed = nested.encode((b"sig", _BINARY + signature), (b"cld", _BINARY + collector))
    crypto = own.nonce + _AUTHENTICATED + own.public + version.to_bytes(4, "big") + signed
    return nested.encode((b"ngr", _VERSION + nested.encode(_session(session, 0), (b"cpr", crypto))))


def request(session: bytes, collector: bytes, objects: bytes = _LOYALTY, capabilities: bytes = b"") -> bytes:
    """Data of GET SMART TAP DATA. `objects`: one byte, 03 = loyalty. `capabilities`: 5 bytes, or none.

    None is what Google's sample sends: phones answer it, and the known capabilities change nothing that we need.
    """
    parts = [
        _session(session, 1),
        (b"mer", nested.encode((b"cld", _BINARY + collector))),
        (b"slr", nested.encode((b"str", objects))),
    ]
    if capabilities:
        parts.append((b"pcr", capabilities))
    return nested.encode((b"srq", _VERSION + nested.encode(*parts)))


def pass_value(plain: bytes) -> bytes:
    """The value in a bundle's plain message: the first loyalty pass's `n`, else a customer's `cid`, as UTF-8.

    Raises PeerError.
    """
    objects: list[nested.Record] = []
    for record in nested.parse(plain):
        objects += nested.parse(record.payload) if record.name == b"asv" else [record]
    for name, field in ((b"ly", b"n"), (b"cus", b"cid")):
        for found in objects:
            if found.name == name:
                return nested.text(nested.one(nested.parse(found.payload), field))
    raise PeerError("no_value")


def mobile_nonce(data: bytes) -> bytes:
    """The phone's nonce in the answer to SELECT by our AID. Raises PeerError."""
    if not data[:2] <= _VERSION <= data[2:4]:
        raise PeerError("version")
    payload = nested.one(nested.parse(data[4:]), b"mdn").payload
    return _nonce(payload[1:] if payload[:1] == _BINARY else b"")


def _attempt(exchange: Exchange, talk: Talk, key: SmartTapKey, ose: bytes) -> bytes | None:
    """One collector's whole session: the pass's value, None = no pass. Raises PeerError."""
    nonce = _offered(ose)
    if nonce is None:
        data, status = iso7816.split(exchange(iso7816.select(AID)))
        if status == iso7816.NOT_FOUND:
            return None
        _expect(status, iso7816.OK)
        nonce = mobile_nonce(data)
    own = tapcrypto.ephemeral(talk.random)
    session = talk.random(_SESSION_BYTES)
    blob = tapcrypto.signed_blob(own, nonce, key.collector)
    signature = tapcrypto.sign(key.private, blob)
    asked = negotiation(own, session, key.collector, key.version, signature)
    data, status = _send(exchange, iso7816.command(NEGOTIATE, asked))
    _expect(status, iso7816.OK, _OK_PRESIGNED)
    agreed = _answered(data, b"nrs", session, 1)
    keys = tapcrypto.session_keys(own, nested.one(agreed, b"dpk").payload, blob, signature)

    data, status = _get(exchange, iso7816.command(GET_DATA, request(session, key.collector)))
    if status in _NO_PASS:
        return None
    _expect(status, iso7816.OK, _NOT_PAYABLE)
    sent = _answered(data, b"srs", session, 2)
    return pass_value(tapcrypto.open_bundle(keys, nested.one(sent, b"reb").payload))


def _offered(ose: bytes) -> bytes | None:
    """The nonce that a newer phone gives with its first answer; None = select Smart Tap first."""
    nonce, point = iso7816.find(ose, 0x6F, 0xC2), iso7816.find(ose, 0x6F, 0xC3)
    if nonce is None or point is None:
        return None
    least, most = (iso7816.find(ose, 0x6F, 0xA5, 0xBF0C, 0x61, 0x73, tag) for tag in (0xDF6D, 0xDF4D))
    if not (least or _VERSION) <= _VERSION <= (most or _VERSION):
        raise PeerError("version")
    return _nonce(nonce)


def _nonce(value: bytes) -> bytes:
    if len(value) != tapcrypto.NONCE_BYTES:
        raise PeerError("nonce")
    return value


def _session(session: bytes, number: int) -> tuple[bytes, bytes]:
    return b"ses", session + bytes([number, _SESSION_OK])


def _answered(data: bytes, name: bytes, session: bytes, number: int) -> tuple[nested.Record, ...]:
    """The records inside the phone's answer, which has to belong to this session and step."""
    records = nested.parse(nested.one(nested.parse(data), name).payload)
    shown = nested.one(records, b"ses").payload
    if len(shown) != _SESSION_BYTES + 2 or shown[:-1] != session + bytes([number]):
        raise PeerError("session")
    if shown[-1] != _SESSION_OK:
        raise PeerError("other_merchant" if shown[-1] == _UNKNOWN_MERCHANT else "session_status")
    return records


def _get(exchange: Exchange, command: bytes) -> tuple[bytes, int]:
    """Everything the phone has to say, and its last status word."""
    data, status = _send(exchange, command)
    for _ in range(PARTS_MAX - 1):
        if status != _MORE:
            return data, status
        part, status = _send(exchange, iso7816.command(GET_MORE))
        data += part
        if len(data) > DATA_BYTES_MAX:
            raise PeerError("data_size")
    if status == _MORE:
        raise PeerError("data_endless")
    return data, status


def _send(exchange: Exchange, command: bytes) -> tuple[bytes, int]:
    for _ in range(RETRIES):
        data, status = iso7816.split(exchange(command))
        if status >> 8 != 0x92:
            return data, status
    return iso7816.split(exchange(command))


def _expect(status: int, *good: int) -> None:
    """Raises PeerError with the reason behind any other status word."""
    if status in good:
        return
    if status == _CHOOSE:
        raise PeerError("choose")
    if status == _BUSY:
        raise PeerError("busy")
    raise PeerError("unlock" if status in _LOCKED else _BY_CLASS.get(status >> 8, "status"))
