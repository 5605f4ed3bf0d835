"""EUI-64s as numbers and as people write them. (Nothing here imports Scapy, so that reports need not either.)"""


def eui64(text: str) -> int:
    """The number of an EUI-64 written as `00:0d:6f:00:0a:90:69:e0`; `ValueError` if it is not 8 octets."""
    octets = bytes.fromhex(text.replace(":", ""))
    if len(octets) != 8:
        raise ValueError(f"not an EUI-64: {text!r}")
    return int.from_bytes(octets, "big")


def eui64_text(number: int) -> str:
    """An EUI-64 as people write it, most significant octet first."""
    return number.to_bytes(8, "big").hex(":")
