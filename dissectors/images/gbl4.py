"""GBL version 4, the upgrade image of Silicon Labs' newer bootloader: nested little-endian tags u32, lengths u32."""

from typing import Final

from hanscope.dissectors.images.filling import behind
from hanscope.dissectors.images.format import Context, Inner, InnerFormat, Judgement, checked, near, unverifiable
from hanscope.dissectors.images.octets import BrokenError, View

MAGIC: Final = bytes.fromhex("eb17a684")
HEAD: Final = 8
MOST_TAGS: Final = 10_000
TAGS: Final = {
    0xAA01012A: "manifest",
    0x2B01012B: "certificate",
    0x2B02022B: "signature",
    0x2B03032B: "information",
    0x2B04042B: "bundle version",
    0x2B05052B: "content hash",
    0xAB06062B: "update process",
    0x2C02022C: "secure element",
    0x2C03032C: "memory section",
    0x2C04042C: "finish",
    0xBA01013A: "section",
    0x3B01013B: "section information",
    0x3B02023B: "section data",
    0xEE0101EE: "padding",
}
_CHECK: Final = "GBL 4 container"


def read(view: View, _context: Context) -> Inner | None:
    if not near(view.peek(0, 4), MAGIC):
        return None
    hashed = unverifiable("its SHA-256 and signature: what they cover is not known", "GBL 4 content hash")
    return Inner("GBL 4", (_container(view), hashed))


@checked(_CHECK)
def _container(view: View) -> Judgement:
    length = view.u32(4)
    end = HEAD + length
    if end > view.size:
        raise BrokenError(f"it says {length:,} octets, there are {view.size - HEAD:,}")
    names = [TAGS.get(tag, f"0x{tag:08x}") for tag in _tags(view, end)]
    told = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    if end != view.size:
        return Judgement(_CHECK, "unknown", f"{length:,} octets{behind(view, end)}; {told}")
    return Judgement(_CHECK, "valid", f"{length:,} octets, to the end: {told}")


def _tags(view: View, end: int) -> list[int]:
    """The tags directly in the container. Raises BrokenError unless they end where it does."""
    tags: list[int] = []
    at = HEAD
    while at < end:
        if len(tags) == MOST_TAGS:
            raise BrokenError(f"more than {MOST_TAGS:,} tags")
        tags.append(view.u32(at))
        at += HEAD + view.u32(at + 4)
    if at > end:
        raise BrokenError(f"its last tag ends {at - end:,} octets beyond it")
    return tags


FORMAT: Final = InnerFormat(
    name="GBL 4",
    vendors="Silicon Labs (series 2 and 3)",
    signature="`eb 17 a6 84` at the start",
    checks=("GBL 4 container: its length and those of the tags in it", "GBL 4 content hash: not verified"),
    limitations="What the content hash covers is not public, so content is not checked.",
    source="Simplicity Commander's output; 5 files of a survey of 1,242 have the right length",
    read=read,
)
