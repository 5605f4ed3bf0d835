"""Vectors: Smart Energy annex C.5 (test certificates of the Certicom test authority) and SEC 2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanscope.dissectors.crypto.binary_curves import SECT163K1, SECT283K1, Curve, NotOnCurveError
from hanscope.dissectors.crypto.mmo import mmo

CURVES = (SECT163K1, SECT283K1)
CA_1 = bytes.fromhex("0200fde8a7f3d1084224962a4e7c54e69ac3f04da6b8")
DEVICE_1 = bytes.fromhex(
    "03045fdfc8d85ffb8b3993cb72ddcaa55f00b3e87d6d0000000000000001 5445535453454341 01090006000000000000"
)
DEVICE_2 = bytes.fromhex(
    "020615e07d30eca2dad58002e667d94bc1b4223983070000000000000002 5445535453454341 01090006000000000000"
)
CA_2 = bytes.fromhex("0207a445022d9f39f49bdc38380026a27a9e0a1799313ab28c5c1a1c6b605154db1dff6752")
SUITE_2 = bytes.fromhex(
    "0084a933b37f018dec0d081112131415161718005292a38affffffff0a0b0c0d0e0f1012"
    "8803076277e2f7e2252b16a0e92b6e8771bb3f207946cbd4a45d9a9df6edab8c796a48e89dec"
)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_generator_is_a_point_of_the_order_told(curve: Curve) -> None:
    assert curve.is_on_curve(curve.generator)
    assert curve.times(curve.order, curve.generator) is None
    assert curve.times(curve.order + 1, curve.generator) == curve.generator
    assert not curve.is_on_curve((curve.generator[0], curve.generator[1] ^ 1))


@pytest.mark.parametrize(
    ("certificate", "private", "public"),
    [
        (DEVICE_1, 0xB8A900FCADEBABBFA383B540FCE9ED438395EAA7, "030290a1f5c08dad5f2945e335620c7a98fac46666a1"),
        (DEVICE_2, 0x01E9DDB5580CF72ECE7F215F0AE594E48DF3E7FEE8, "03025bba38d0c7b5436b68df728f093e7a1d6c437e6d"),
    ],
)
def test_keys_of_suite_1_certificates(certificate: bytes, private: int, public: str) -> None:
    key = SECT163K1.public_key(certificate[:22], mmo(certificate), CA_1)
    assert SECT163K1.compress(key).hex() == public
    assert SECT163K1.times(private, SECT163K1.generator) == key


def test_key_of_a_suite_2_certificate() -> None:
    key = SECT283K1.public_key(SUITE_2[37:], mmo(SUITE_2), CA_2)
    assert SECT283K1.compress(key).hex() == "03030e56f7ade866e76372764ba20a9ff1fe4cae522f94839e70f2adfc1ca3e97f4ddcaf2e"
    private = 0xF2561ADB39EF49C1D62EF5186C6E0C158A5A45BFCE38660931ACC3694592D5ACDE9006
    assert SECT283K1.times(private, SECT283K1.generator) == key


def test_signature_of_suite_1() -> None:
    key = SECT163K1.decompress(bytes.fromhex("030290a1f5c08dad5f2945e335620c7a98fac46666a1"))
    digest = bytes.fromhex("26f54d37589529768f3ac50d7d5e2687")
    r, s = 0x0211E1A8583183E04FE401178FCF4EFDDD137DB9E2, 0xAA63834D3B089B06DD4636CB898422F660F752BF
    assert SECT163K1.verifies(key, digest, r, s)
    assert not SECT163K1.verifies(key, bytes(16), r, s)
    assert not SECT163K1.verifies(key, digest, r ^ 1, s)
    assert not SECT163K1.verifies(key, digest, r, 0)
    assert not SECT163K1.verifies(key, digest, r, s + SECT163K1.order)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
@given(data=st.data())
def test_field_and_group_laws(curve: Curve, data: st.DataObject) -> None:
    element = st.integers(1, (1 << curve.degree) - 1)
    a, b, c = data.draw(element), data.draw(element), data.draw(element)
    assert curve.multiply(a, b ^ c) == curve.multiply(a, b) ^ curve.multiply(a, c)
    assert curve.multiply(a, a) == curve.square(a)
    assert curve.multiply(a, curve.invert(a)) == 1
    point = curve.times(a % 1000 + 1, curve.generator)
    other = curve.times(b % 1000 + 1, curve.generator)
    assert point is not None
    assert curve.is_on_curve(point)
    assert curve.add(point, other) == curve.add(other, point) == curve.times(a % 1000 + b % 1000 + 2, curve.generator)
    assert curve.decompress(curve.compress(point)) == point
    assert curve.add(point, (point[0], point[0] ^ point[1])) is None


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
@pytest.mark.parametrize("octets", ["", "04", "02", "02ff", "05" + "11" * 21])
def test_octets_that_are_no_point(curve: Curve, octets: str) -> None:
    with pytest.raises(NotOnCurveError):
        curve.decompress(bytes.fromhex(octets))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_compressed_points_that_cannot_be(curve: Curve) -> None:
    for x in (0, 1 << curve.degree):
        with pytest.raises(NotOnCurveError):
            curve.decompress(b"\x02" + x.to_bytes(curve.octets, "big"))
    possible = 0
    for x in range(1, 40):
        try:
            assert curve.is_on_curve(curve.decompress(b"\x02" + x.to_bytes(curve.octets, "big")))
            possible += 1
        except NotOnCurveError:
            continue
    assert 10 < possible < 30


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        SECT163K1.invert(0)
