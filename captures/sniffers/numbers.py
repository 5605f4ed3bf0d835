"""Numbers of sniffers' records, for `construct`: little-endian unless the name says BIG."""

from typing import Final

from construct import FormatField

INT8: Final = FormatField("<", "b")
UINT8: Final = FormatField("<", "B")
UINT16: Final = FormatField("<", "H")
UINT64: Final = FormatField("<", "Q")
BIG16: Final = FormatField(">", "H")
BIG32: Final = FormatField(">", "L")
