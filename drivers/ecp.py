"""Apple's Enhanced Contactless Polling frames, which tell an iPhone in the field what the reader wants. Sends nothing.

Unofficial: kormax/apple-enhanced-contactless-polling, ecplist.json. A frame goes out as an ordinary 8-bit frame with
the chip's own CRC off; no answer comes. Apple licenses its use: off unless `[nfc] apple_vas` is set (docs/wallets.md).
"""

# ISO/IEC 14443-3, annex B: CRC_A begins with 6363 and runs over the reflected polynomial 1021.
_CRC_BEGIN = 0x6363
_CRC_POLYNOMIAL = 0x8408


def crc_a(data: bytes) -> bytes:
    """The 2 bytes of CRC_A, low byte first, as they travel."""
    crc = _CRC_BEGIN
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CRC_POLYNOMIAL if crc & 1 else 0)
    return crc.to_bytes(2, "little")


def _frame(head: str) -> bytes:
    data = bytes.fromhex(head)
    return data + crc_a(data)


# Whole frames, CRC_A included. The last byte before it is the mode, as in tag 9F26 of drivers.vas.
VAS_OR_PAYMENT = _frame("6a01000000")
VAS_AND_PAYMENT = _frame("6a01000001")
VAS_ONLY = _frame("6a01000002")  # what a loyalty reader sends
PAYMENT_ONLY = _frame("6a01000003")
IGNORE = _frame("6a01cf0000")  # Apple devices, do not react to this field
