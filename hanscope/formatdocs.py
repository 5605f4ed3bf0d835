"""Makes `docs/image-formats.md`: every image format that is recognised, from the records of the formats themselves.

python -m hanscope.formatdocs > docs/image-formats.md
"""

import sys
from collections.abc import Iterator
from typing import Final

from hanscope.dissectors.images import ecdsa, gbcs, integrity_code, legrand, ngis, third_reality, trailing_crc
from hanscope.dissectors.images.format import Format
from hanscope.dissectors.images.ota_file import TAG_NAMES
from hanscope.dissectors.images.registry import FORMATS
from hanscope.dissectors.images.vendor_elements import TAGS

_TITLE: Final = """\
# Image formats

What `hanscope image` recognises and checks, made from the formats themselves
(`python -m hanscope.formatdocs > docs/image-formats.md`).

Each check is *valid*, *invalid* or *unknown* with a reason, and vouches for the octets that `covers` names in the JSON
report: were one of their bits another, the check would be invalid. Content that nothing names is called *opaque*,
encrypted or compressed content that a format names is called so too: nothing is guessed. A valid CRC says that the
octets are those that the vendor's tool wrote, not who wrote them; only a verified signature says that.

Every file has these checks besides: *magic* (the file identifier), *header* (version, lengths, reserved values), *total
size* (the header's is that of the file, or what follows is explained), *elements* (they end exactly at the total size,
and have the lengths that their tags demand), and in captures *query response* (the server offered this header).
"""
_SECTIONS: Final[tuple[tuple[str, str, tuple[Format, ...]], ...]] = (
    (
        "Around the OTA file",
        "In front of the header, or behind the last element.",
        (ngis.FORMAT, legrand.FORMAT, third_reality.FORMAT, trailing_crc.FORMAT),
    ),
    ("Instead of elements", "", (gbcs.FORMAT,)),
    ("Elements that are checks", "", (integrity_code.FORMAT, ecdsa.FORMAT)),
    (
        "What elements hold",
        "Tried in this order. What a format wraps (unpacked content, a nested OTA file) is looked at in turn.",
        FORMATS,
    ),
)


def page() -> str:
    """The whole page, ending in a newline."""
    lines = [_TITLE.rstrip()]
    for title, note, formats in _SECTIONS:
        lines += ["", f"## {title}", *(["", note] if note else [])]
        for one in formats:
            lines += _format(one)
    return "\n".join([*lines, *_tags()]) + "\n"


def _format(one: Format) -> Iterator[str]:
    yield from ("", f"### {one.name}", "")
    yield f"- Vendors: {one.vendors}"
    yield f"- Recognised by: {one.signature}"
    yield from (f"- Check: {check}" for check in one.checks)
    yield f"- Limitations: {one.limitations}"
    yield f"- Source: {one.source}"


def _tags() -> Iterator[str]:
    yield from ("", "## Tags of elements", "", "| tag | manufacturer | element |", "|---|---|---|")
    for tag, name in TAG_NAMES.items():
        yield f"| 0x{tag:04x} | any | {name} |"
    for (manufacturer, tag), name in sorted(TAGS.items(), key=lambda one: (one[0][1], one[0][0])):
        yield f"| 0x{tag:04x} | 0x{manufacturer:04x} | {name} |"


if __name__ == "__main__":
    sys.stdout.write(page())
