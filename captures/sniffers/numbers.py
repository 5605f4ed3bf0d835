"""Numbers of sniffers' records, for `construct`: little-endian unless the name says BIG."""

from typing import Final

from construct import FormatField

INT8: Final = FormatField("<", "b")
UINT8: Final = FormatField("<", "B")
UINT16: Final = FormatField("<", "H")
UINT64: Final = FormatField("<", "Q")
BIG16: Final = FormatField(">", "H")
BIG32: Final = FormatField(">", "L")
REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""Each octet with its bits turned round."""
