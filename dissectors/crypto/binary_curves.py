"""The Koblitz curves of ZigBee Smart Energy: sect163k1 (suite 1) and sect283k1 (suite 2) of SEC 2.

Implicit certificates (ECQV), public keys from them, and ECDSA over a digest that is given. Only public numbers pass
through here, so nothing is done against timing: about 0.1 s a verification. Field elements are polynomials over GF(2),
held as integers; points are pairs of them and `None` is the point at infinity.
"""

from typing import Final

import msgspec

Point = tuple[int, int] | None


class NotOnCurveError(ValueError):
    """Octets that are no point of the curve."""


class Curve(msgspec.Struct, frozen=True):
    """y^2 + xy = x^3 + ax^2 + 1 over GF(2^degree)."""

    name: str
    degree: int
    taps: tuple[int, ...]
    """Exponents of the reduction polynomial below its degree."""
    a: int
    generator: tuple[int, int]
    order: int
    """Of the generator."""

    @property
    def octets(self) -> int:
        """Of a coordinate."""
        return (self.degree + 7) // 8

    # The field

    def multiply(self, left: int, right: int) -> int:
        table = [0] * 16
        for index in range(1, 16):
            table[index] = table[index >> 1] << 1 ^ (left if index & 1 else 0)
        product = 0
        for shift in range((self.degree + 3) // 4 * 4 - 4, -4, -4):
            product = product << 4 ^ table[right >> shift & 15]
        return self.reduce(product)

    def square(self, value: int) -> int:
        # The bits move apart: binary digits read in base 4.
        return self.reduce(int(f"{value:b}", 4))

    def reduce(self, value: int) -> int:
        mask = (1 << self.degree) - 1
        while high := value >> self.degree:
            value &= mask
            for tap in self.taps:
                value ^= high << tap
        return value

    def invert(self, value: int) -> int:
        """By the extended Euclidean algorithm; the inverse of 0 does not exist."""
        if not value:
            raise ZeroDivisionError("0 has no inverse")
        left, right = value, 1 << self.degree | sum(1 << tap for tap in self.taps)
        of_left, of_right = 1, 0
        while left != 1:
            shift = left.bit_length() - right.bit_length()
            if shift < 0:
                left, right, of_left, of_right, shift = right, left, of_right, of_left, -shift
            left ^= right << shift
            of_left ^= of_right << shift
        return self.reduce(of_left)

    def half_trace(self, value: int) -> int:
        """A solution z of z^2 + z = value, if there is one."""
        found = value
        for _ in range((self.degree - 1) // 2):
            found = self.square(self.square(found)) ^ value
        return found

    # Points

    def is_on_curve(self, point: tuple[int, int]) -> bool:
        x, y = point
        squared = self.square(x)
        left = self.square(y) ^ self.multiply(x, y)
        return left == self.multiply(squared, x) ^ self.multiply(self.a, squared) ^ 1

    def decompress(self, octets: bytes) -> tuple[int, int]:
        """A point from `02 or 03 || x`. Raises NotOnCurveError."""
        x = int.from_bytes(octets[1:], "big")
        if len(octets) != 1 + self.octets or octets[0] not in {2, 3} or x >> self.degree or not x:
            raise NotOnCurveError(f"no compressed point of {self.name}")
        beta = x ^ self.a ^ self.invert(self.square(x))
        z = self.half_trace(beta)
        if self.square(z) ^ z != beta:
            raise NotOnCurveError(f"no point of {self.name} has this x")
        return x, self.multiply(x, z ^ ((z ^ octets[0]) & 1))

    def compress(self, point: tuple[int, int]) -> bytes:
        x, y = point
        sign = self.multiply(y, self.invert(x)) & 1 if x else 0
        return bytes([2 | sign]) + x.to_bytes(self.octets, "big")

    def add(self, left: Point, right: Point) -> Point:
        if left is None or right is None:
            return right if left is None else left
        (x1, y1), (x2, y2) = left, right
        if x1 == x2:
            if y1 != y2 or not x1:
                return None
            slope = x1 ^ self.multiply(y1, self.invert(x1))
            x = self.square(slope) ^ slope ^ self.a
            return x, self.square(x1) ^ self.multiply(slope ^ 1, x)
        slope = self.multiply(y1 ^ y2, self.invert(x1 ^ x2))
        x = self.square(slope) ^ slope ^ x1 ^ x2 ^ self.a
        return x, self.multiply(slope, x1 ^ x) ^ x ^ y1

    def times(self, factor: int, point: Point) -> Point:
        return self.sum_of_two(factor, point, 0, None)

    def sum_of_two(self, one: int, point: Point, other: int, second: Point) -> Point:
        """The sum of one * point and other * second, in one pass over the bits."""
        choices = (None, point, second, self.add(point, second))
        result: Point = None
        for bit in range(max(one.bit_length(), other.bit_length()) - 1, -1, -1):
            result = self.add(result, result)
            result = self.add(result, choices[(one >> bit & 1) | (other >> bit & 1) << 1])
        return result

    # Certificates and signatures

    def public_key(self, reconstruction_point: bytes, certificate_hash: bytes, authority: bytes) -> tuple[int, int]:
        """ECQV: the key that an implicit certificate stands for: hash * point + the authority's key.

        Raises NotOnCurveError when one of the points is none, or the sum is at infinity.
        """
        point, trusted = self.decompress(reconstruction_point), self.decompress(authority)
        key = self.add(self.times(int.from_bytes(certificate_hash, "big"), point), trusted)
        if key is None:
            raise NotOnCurveError("the certificate stands for no key")
        return key

    def verifies(self, key: tuple[int, int], digest: bytes, r: int, s: int) -> bool:
        """ECDSA; the digest is taken as it is, being shorter than the order."""
        if not (0 < r < self.order and 0 < s < self.order):
            return False
        inverse = pow(s, -1, self.order)
        e = int.from_bytes(digest, "big")
        point = self.sum_of_two(e * inverse % self.order, self.generator, r * inverse % self.order, key)
        return point is not None and point[0] % self.order == r


SECT163K1: Final = Curve(
    name="sect163k1",
    degree=163,
    taps=(7, 6, 3, 0),
    a=1,
    generator=(0x02FE13C0537BBC11ACAA07D793DE4E6D5E5C94EEE8, 0x0289070FB05D38FF58321F2E800536D538CCDAA3D9),
    order=0x04000000000000000000020108A2E0CC0D99F8A5EF,
)
SECT283K1: Final = Curve(
    name="sect283k1",
    degree=283,
    taps=(12, 7, 5, 0),
    a=0,
    generator=(
        0x0503213F78CA44883F1A3B8162F188E553CD265F23C1567A16876913B0C2AC2458492836,
        0x01CCDA380F1C9E318D90F95D07E5426FE87E45C0E8184698E45962364E34116177DD2259,
    ),
    order=0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE9AE2ED07577265DFF7F94451E061E163C61,
)
