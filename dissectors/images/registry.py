"""All formats of content that are known, and which of them an octet sequence is."""

from typing import Final

from hanscope.dissectors.images import (
    bouffalo,
    compressed,
    ebl,
    esp_idf,
    executables,
    gbl3,
    gbl4,
    hue,
    jn516x,
    mcuboot,
    memory_area,
    nxp,
    osram,
    pictures,
    raw_code,
    telink,
    ti_8051,
    ti_oad,
    ubisys,
    unnamed,
    vendor_elements,
)
from hanscope.dissectors.images.format import Context, Inner, InnerFormat
from hanscope.dissectors.images.octets import View

FORMATS: Final[tuple[InnerFormat, ...]] = (
    gbl3.FORMAT,
    gbl4.FORMAT,
    ebl.FORMAT,
    telink.FORMAT,
    ti_oad.FORMAT,
    compressed.XZ,
    mcuboot.FORMAT,
    jn516x.FORMAT,
    nxp.FORMAT,
    bouffalo.FORMAT,
    hue.FORMAT,
    osram.FORMAT,
    memory_area.FORMAT,
    ubisys.FORMAT,
    esp_idf.FORMAT,
    ti_8051.FORMAT,
    executables.FORMAT,
    compressed.OTHERS,
    pictures.FORMAT,
    raw_code.FORMAT,
    vendor_elements.FORMAT,
    unnamed.FORMAT,
)
"""In the order in which they are tried: long signatures before short ones, the one that fits everything last."""


def recognise(view: View, context: Context) -> tuple[InnerFormat, Inner]:
    """What the octets are; the last format takes everything."""
    for known in FORMATS:
        inner = known.read(view, context)
        if inner is not None:
            return known, inner
    raise AssertionError("the last format recognises everything")
