"""gateway.core.ed25519: no key under which anybody can sign is taken for somebody's."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core import ed25519

P = 2**255 - 19


def test_the_library_takes_a_signature_that_anybody_can_make() -> None:
    """Without this the module would not be needed."""
    neutral = bytes([1]) + bytes(31)
    Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), b"whatever is asked")
    assert ed25519.is_anybodys(neutral)


def test_small_orders_and_second_spellings_are_anybodys() -> None:
    for y in (*ed25519.SMALL_ORDER, P, P + 1, 2**255 - 1):
        for sign in (0, 2**255):
            assert ed25519.is_anybodys((y | sign).to_bytes(32, "little"))


def test_a_key_that_somebody_made_is_theirs() -> None:
    for n in range(20):
        private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"store-gateway test {n}".encode()).digest())
        assert not ed25519.is_anybodys(private.public_key().public_bytes_raw())


def test_every_point_of_small_order_is_on_the_list() -> None:
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p

    def doubled(y: int) -> int:
        """y of twice the point: (y^2 + x^2) / (2 + x^2 - y^2), with x^2 from the curve -x^2 + y^2 = 1 + d x^2 y^2."""
        xx = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        return (y * y + xx) * pow(2 + xx - y * y, -1, p) % p

    eighths = [y for y in ed25519.SMALL_ORDER if y not in (0, 1, p - 1)]
    assert len(eighths) == 2
    for y in eighths:
        assert doubled(y) == 0
    assert doubled(0) == p - 1
    assert doubled(p - 1) == 1
    # A point whose double has y = 0 fulfils y^2 = -x^2: two values of y up to sign of x, and no more.
    assert eighths[0] == p - eighths[1]
