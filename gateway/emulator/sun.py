"""An NTAG 424 DNA with secure dynamic messaging, as an applet: its file says something new each time it is read.

Written from NXP AN12196 and NT4H2421Gx, and RFC 4493 for the MAC, with nothing of drivers.sun, so that the two check
each other. Not simulated: authentication, changing of files and keys, LRP, the limit of the counter.
"""

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from gateway.emulator.draw import draws

Spec = dict[str, Any]  # JSON: crosses the pipe to the chip's process

NDEF_BYTES = 256
# As it leaves the factory (NT4H2421Gx, section 8.2.3): mapping 2.0, MLe 256, MLc 255, file E104 of 256 bytes.
CC = bytes.fromhex("001720010000ff0406e104010000000506e10500808283").ljust(32, b"\0")

PLAIN_URL = "https://shop.test/c?uid={uid}&ctr={ctr}&cmac={cmac}"
HIDDEN_URL = "https://shop.test/c?picc_data={picc}&cmac={cmac}"
FILE_URL = "https://shop.test/c?picc_data={picc}&enc={enc}&cmac={cmac}"

_OK, _WRONG_LENGTH, _WRONG_PLACE, _NOT_FOUND, _NOT_ALLOWED, _UNKNOWN = (
    bytes.fromhex(sw) for sw in ("9000", "6700", "6b00", "6a82", "6986", "6d00")
)
_PREFIXES = ((b"https://www.", 2), (b"http://www.", 1), (b"https://", 4), (b"http://", 3))


def spec(
    uid: str = "04c0ffee424200",
    meta: bytes = bytes(16),
    file: bytes = bytes(16),
    url: str = HIDDEN_URL,
    mac_from: str = "cmac",
    counter: int = 0,
    data: bytes = b"",
    seed: str = "",
) -> Spec:
    """A tag: `uid` 7 bytes as hex, `meta` and `file` its own keys, `counter` of the taps that it has had.

    `url`: with {picc} or {uid} and {ctr}, perhaps {enc}, and {cmac}. `mac_from`: the placeholder at which the MAC input
    begins ("cmac" = empty), or "enc only" for file data without what stands between it and the MAC. `data`: the file
    data in clear, whole blocks of 16 bytes. `seed`: the same random bytes in each run; "" = random.
    """
    return {
        "applet": "sun",
        "uid": uid,
        "meta": meta.hex(),
        "file": file.hex(),
        "url": url,
        "mac_from": mac_from,
        "counter": counter,
        "data": data.hex(),
        "seed": seed,
    }


def make(spec: Spec) -> "Sun":
    """The applet that a spec of this module describes."""
    keys = bytes.fromhex(spec["meta"]), bytes.fromhex(spec["file"])
    data = bytes.fromhex(spec["data"])
    uid, random = bytes.fromhex(spec["uid"]), draws(spec["seed"])
    return Sun(uid, *keys, spec["url"], spec["mac_from"], spec["counter"], data, random)


class Sun:
    """`counter` is SDMReadCtr: it rises with the first reading of the NDEF file after each field-on."""

    def __init__(
        self,
        uid: bytes,
        meta: bytes,
        file: bytes,
        url: str,
        mac_from: str,
        counter: int,
        data: bytes,
        random: Callable[[int], bytes],
    ) -> None:
        self.uid = uid
        self.counter = counter
        self._meta, self._key = meta, file
        self._url = url
        self._mac_from = mac_from
        self._data = data
        self._random = random
        self.select()

    def select(self) -> None:
        """The field is on: nothing is selected, and the next reading is a new tap."""
        self._in_application = False
        self._selected: bytes | None = None
        self._ndef = b""

    def answer(self, apdu: bytes) -> bytes:
        """Data and status of one command; 6A82 for another application's name."""
        if apdu[:2] == b"\x00\xa4":
            return self._select(apdu)
        if not self._in_application:
            return _NOT_FOUND
        if apdu[:2] == b"\x00\xb0":
            return self._read(apdu)
        return _UNKNOWN

    def url(self) -> str:
        """What the next tap shows; counts as one."""
        self.counter += 1
        return self._render()

    def _select(self, apdu: bytes) -> bytes:
        wanted = apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        if apdu[2] == 0x04:
            self._in_application = wanted == bytes.fromhex("d2760000850101")
            self._selected = None
            return _OK if self._in_application else _NOT_FOUND
        if not self._in_application or apdu[2] != 0x00 or wanted not in (b"\xe1\x03", b"\xe1\x04"):
            return _NOT_FOUND
        self._selected = wanted
        return _OK

    def _read(self, apdu: bytes) -> bytes:
        if self._selected is None:
            return _NOT_ALLOWED
        if self._selected == b"\xe1\x04" and not self._ndef:
            uri = self.url().encode()
            prefix, code = next((pair for pair in _PREFIXES if uri.startswith(pair[0])), (b"", 0))
            payload = bytes([code]) + uri[len(prefix) :]
            message = b"\xd1\x01" + bytes([len(payload)]) + b"U" + payload
            self._ndef = (len(message).to_bytes(2, "big") + message).ljust(NDEF_BYTES, b"\0")
        content = CC if self._selected == b"\xe1\x03" else self._ndef
        offset = int.from_bytes(apdu[2:4], "big")
        if offset >= len(content):
            return _WRONG_PLACE
        wanted = apdu[4] or len(content) - offset
        return content[offset : offset + wanted] + _OK if offset + wanted <= len(content) else _WRONG_LENGTH

    def _render(self) -> str:
        """The URL with its mirrors filled in at the places where the placeholders stand."""
        count = self.counter.to_bytes(3, "little")
        mirrors = {
            "{uid}": self.uid.hex().upper(),
            "{ctr}": f"{self.counter:06X}",
            "{picc}": _aes(self._meta, b"\xc7" + self.uid + count + self._random(5)).hex().upper(),
        }
        text = self._url
        for name, value in mirrors.items():
            text = text.replace(name, value)
        if "{enc}" in text:
            key = _mac(self._key, bytes.fromhex("c33c00010080") + self.uid + count)
            mirrors["{enc}"] = _cbc(key, _aes(key, count + bytes(13)), self._data).hex().upper()
            text = text.replace("{enc}", mirrors["{enc}"])
        until = text.index("{cmac}")
        if self._mac_from == "enc only":
            covered = mirrors["{enc}"]
        elif self._mac_from == "cmac":
            covered = ""
        else:
            covered = text[text.index(mirrors[f"{{{self._mac_from}}}"]) : until]
        key = _mac(self._key, bytes.fromhex("3cc300010080") + self.uid + count)
        return text.replace("{cmac}", _mac(key, covered.encode())[1::2].hex().upper())


def _mac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC as RFC 4493, section 2.4, says it."""
    first = int.from_bytes(_aes(key, bytes(16)), "big") << 1
    subkey = first ^ (first >> 128) * ((1 << 128) | 0x87)
    blocks = [message[at : at + 16] for at in range(0, len(message), 16)] or [b""]
    if len(blocks[-1]) < 16:
        second = subkey << 1
        subkey = second ^ (second >> 128) * ((1 << 128) | 0x87)
        blocks[-1] = (blocks[-1] + b"\x80").ljust(16, b"\0")
    state = 0
    for block in blocks[:-1]:
        state = int.from_bytes(_aes(key, (state ^ int.from_bytes(block, "big")).to_bytes(16, "big")), "big")
    return _aes(key, (state ^ subkey ^ int.from_bytes(blocks[-1], "big")).to_bytes(16, "big"))


def _aes(key: bytes, block: bytes) -> bytes:
    return _cbc(key, bytes(16), block)


def _cbc(key: bytes, vector: bytes, blocks: bytes) -> bytes:
    encryptor = Cipher(AES(key), CBC(vector)).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()
