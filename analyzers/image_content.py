"""What follows the header of an OTA file: its elements, what each of them holds, and every check of that.

Content is recognised by `dissectors.images.registry`, and so is what it wraps: unpacked content, nested OTA files.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from hanscope.dissectors.images import ecdsa, elements, integrity_code, memory_area, ota_file, registry, unnamed
from hanscope.dissectors.images.elements import Walk
from hanscope.dissectors.images.format import (
    CONTENT,
    MOST_DEPTH,
    Context,
    Inner,
    InnerFormat,
    Judgement,
    near,
    octets_told,
)
from hanscope.dissectors.images.octets import Octets, View
from hanscope.dissectors.images.ota_file import Element, Header, OtaFileError, Tag

MOST_LISTED: Final = 8
MOST_RECOGNISED: Final = 64
"""Elements whose content is looked at."""
MOST_UNPACKED: Final = 4
"""Elements that are looked at when they wrap something."""
NESTED: Final = memory_area.NESTED
CUT_OFF: Final = ", cut off"
"""Said of the content of an element that reaches beyond the end."""
_STRUCTURAL: Final = frozenset({Tag.IMAGE_INTEGRITY_CODE, *ota_file.FIXED_LENGTHS})
"""Tags of elements that are checks themselves."""


class Content(msgspec.Struct, frozen=True):
    """What follows a header and can be followed as elements, or is named otherwise."""

    elements: tuple[Element, ...]
    formats: tuple[str | None, ...]
    """Of the elements."""
    main: str | None
    """The format of the largest Upgrade image, or of whatever is the largest."""
    checks: tuple[Judgement, ...]


def is_unnamed(name: str) -> bool:
    """Whether it is what is told of content that no format claims."""
    return name.startswith(("opaque", "text", "filler"))


def context_of(header: Header) -> Context:
    return Context(header.manufacturer_code, header.image_type, header.file_version)


def listed(items: list[str], separator: str) -> str:
    """The first few of what a hostile file could make many."""
    more = len(items) - MOST_LISTED
    return separator.join(items[:MOST_LISTED]) + (f"{separator}{more:,} more" if more > 0 else "")


# Elements


def of_elements(source: Octets, offset: int, header: Header, walk: Walk, ca_keys: tuple[bytes, ...]) -> Content:
    """Of a file whose elements end where they should."""
    formats, found = _recognised(
        source, walk.elements, replace(context_of(header), telink_encrypted=walk.telink_encrypted)
    )
    checks = (
        check_elements(walk),
        integrity_code.check(source, offset, walk.elements),
        ecdsa.check(source, offset, walk.elements, ca_keys),
        *_joined(found),
    )
    return Content(walk.elements, formats, _main(walk.elements, formats), checks)


def of_rest(source: Octets, offset: int, header: Header, walk: Walk) -> Content:
    """Of a file whose elements cannot be followed to its end: those that can, and what stands behind them."""
    formats, found = _recognised(source, walk.elements, context_of(header))
    start = walk.elements[-1].end if walk.elements else offset + header.header_length
    rest = source.view(start, offset + header.total_image_size)
    main = _main(walk.elements, formats)
    # Fewer octets than an element's head have been told of already.
    if rest.size >= (ota_file.ELEMENT_HEAD_LENGTH if walk.elements else 1):
        name, judged = _of_rest(rest, context_of(header), walk.cut)
        found.append((len(walk.elements), judged))
        main = f"{main} + {name}" if main else name
    return Content(walk.elements, formats, main, (*checks_of_damaged(source, offset), *_joined(found)))


def checks_of_damaged(source: Octets, offset: int) -> list[Judgement]:
    """Those that damage in front of them must not hide."""
    tried = (integrity_code.check(source, offset, ()), ecdsa.check_unreached(source))
    return [check for check in tried if check.outcome != "unknown"]


def of_reached(source: Octets, header: Header, walk: Walk) -> Content:
    """Of the elements up to one whose head was not captured: what follows them cannot be told."""
    formats, found = _recognised(source, walk.elements, context_of(header))
    return Content(walk.elements, formats, _main(walk.elements, formats), tuple(_joined(found)))


def _of_rest(rest: View, context: Context, cut: Element | None) -> tuple[str, list[Judgement]]:
    """As it stands there, or else as the content of an element that is cut."""
    name, judged = recognised(rest, context)
    if not name.startswith("opaque") or cut is None:
        return name, judged
    inside = rest.source.view(cut.offset, rest.end)
    if not inside.size:
        return name, judged
    cut_name, cut_judged = recognised(inside, replace(context, tag=cut.tag))
    return (name, judged) if cut_name.startswith("opaque") else (cut_name + CUT_OFF, cut_judged)


def check_elements(walk: Walk) -> Judgement:
    problems = [
        f"{ota_file.tag_name(element.tag)} at octet {element.start:,} has {element.length:,} octets, not {fixed}"
        for element in walk.elements
        if (fixed := ota_file.FIXED_LENGTHS.get(element.tag)) is not None and element.length != fixed
    ]
    if problems:
        return Judgement("elements", "invalid", listed(problems, "; "))
    reserved = sorted(
        {e.tag for e in walk.elements if Tag.ECDSA_CERTIFICATE_2 < e.tag < ota_file.FIRST_MANUFACTURER_TAG}
    )
    note = f"; reserved tags: {listed([f'0x{tag:04x}' for tag in reserved], ', ')}" if reserved else ""
    # Telink's form: two octets more in the length would fit as well, so it is proof of nothing.
    counted = () if walk.telink_encrypted else walk.elements
    covers = tuple((element.offset - 4, element.offset) for element in counted)
    return Judgement("elements", "valid", walk.detail + note, covers)


def _recognised(
    source: Octets, found: Sequence[Element], context: Context
) -> tuple[tuple[str | None, ...], list[tuple[int, list[Judgement]]]]:
    """The format of each element, and the checks of each that has some."""
    formats: list[str | None] = []
    checks: list[tuple[int, list[Judgement]]] = []
    for number, element in enumerate(found):
        if number >= MOST_RECOGNISED or element.tag in _STRUCTURAL or not element.length:
            formats.append(None)
            continue
        within = replace(context, tag=element.tag, depth=context.depth if number < MOST_UNPACKED else MOST_DEPTH)
        name, judged = recognised(source.view(element.offset, element.end), within)
        formats.append(name)
        checks.append((number, judged))
    # What concerns the main content is told first.
    return tuple(formats), sorted(checks, key=lambda one: found[one[0]].tag != Tag.UPGRADE_IMAGE)


def _main(found: Sequence[Element], formats: Sequence[str | None]) -> str | None:
    named = [(e.tag == Tag.UPGRADE_IMAGE, e.length, name) for e, name in zip(found, formats, strict=True) if name]
    return max(named, key=lambda one: one[:2])[2] if named else None


def _joined(found: Iterable[tuple[int, list[Judgement]]]) -> Iterator[Judgement]:
    """One check of each name: what several elements have is valid if it is in all of them."""
    groups: dict[str, list[tuple[int, Judgement]]] = {}
    for number, judged in found:
        for check in judged:
            groups.setdefault(check.name, []).append((number, check))
    for members in groups.values():
        worst = max((check for _, check in members), key=lambda check: _GRAVITY[check.outcome])
        details = dict.fromkeys(check.detail for _, check in members if check.outcome == worst.outcome)
        if len(members) == 1:
            yield worst
            continue
        places = [f"{check.detail} (element {number:,})" for number, check in members if check.outcome == worst.outcome]
        told = (
            f"{worst.detail} (in {len(places)} elements)" if len(details) == 1 < len(places) else listed(places, "; ")
        )
        yield replace(worst, detail=told, covers=tuple(span for _, check in members for span in check.covers))


_GRAVITY: Final = {"valid": 0, "unknown": 1, "invalid": 2}


# Content


def recognised(view: View, context: Context) -> tuple[str, list[Judgement]]:
    """The format of some content, with what it wraps, and the checks of all of it."""
    known, inner = registry.recognise(view, context)
    name, judged = _with_content(view, known, inner, context)
    if inner.behind is None or context.depth >= MOST_DEPTH:
        return name, judged
    rest, more = recognised(inner.behind, replace(context, depth=context.depth + 1))
    return f"{name} + {rest}", [*judged, *(replace(check, name=f"{check.name} of what is behind") for check in more)]


def _with_content(view: View, known: InnerFormat, inner: Inner, context: Context) -> tuple[str, list[Judgement]]:
    judged = list(inner.checks)
    if inner.content is None or context.depth >= MOST_DEPTH:
        return inner.name, judged
    deeper = replace(context, depth=context.depth + 1, tag=None)
    if inner.name == NESTED:
        name, more = _nested(view, inner.content, deeper)
    else:
        name, more = recognised(inner.content, deeper)
    if not inner.in_file:
        # The octets that these vouch for are not those of the file.
        more = [replace(check, covers=()) for check in more]
    if known.name == unnamed.FORMAT.name:
        return name, judged + more
    # That what is wrapped carries no check of its own matters only if what wraps it has none either.
    proven = any(check.vouches for check in judged)
    judged += [check for check in more if not (proven and check.name == CONTENT)]
    return f"{inner.name} > {name}", judged


def _nested(view: View, content: View, context: Context) -> tuple[str, list[Judgement]]:
    """An OTA file, by itself or with a head of its own in front (Legrand, Insta) and one octet behind it."""
    header = read_header(view.source, content.start)
    if header is None:
        reason = view.source.lacks(content.start, content.start + ota_file.SMALLEST_HEADER)
        detail = reason or f"its header is not whole at octet {content.start:,}"
        return "OTA file", [Judgement(NESTED, "unknown" if reason else "invalid", detail)]
    body = view.source.view(content.start + header.header_length, content.start + header.total_image_size)
    walk = elements.walk(view.source, body.start, content.start + header.total_image_size)
    within = Context(header.manufacturer_code, header.image_type, header.file_version, depth=context.depth)
    check_lengths = _check_nested if content.start > view.start else _check_nested_alone
    checks = [check_lengths(view, content, header)]
    if walk.ends:
        formats, found = _recognised(view.source, walk.elements, within)
        checks += [check for _, judged in found for check in judged]
        if any(element.tag == Tag.IMAGE_INTEGRITY_CODE for element in walk.elements):
            code = integrity_code.check(view.source, content.start, walk.elements)
            checks.append(replace(code, name=f"{code.name} of the nested file"))
        return _main(walk.elements, formats) or "elements", checks
    name, judged = recognised(body, within)
    return name, checks + judged


def _check_nested(view: View, content: View, header: Header) -> Judgement:
    found = f"at octet {content.start:,}: {identity(header)}"
    reason = view.lacks(0, ota_file.NESTED_HEAD_LENGTH)
    if reason is not None:
        return Judgement(NESTED, "unknown", f"{found}; {reason}")
    told = ota_file.parse_nested_head(view.peek(0, ota_file.NESTED_HEAD_LENGTH)).length
    problems: list[str] = []
    if content.peek(0, 4) != ota_file.MAGIC:
        problems.append(f"{found}; one bit of its file identifier is wrong")
    if header.total_image_size > told:
        problems.append(f"{found}; the head in front of it says {told:,} octets")
    if view.size != told + memory_area.AROUND:
        problems.append(
            f"{found}; the element has {octets_told(view.size)}, not {memory_area.AROUND} more than its head says"
        )
    if problems:
        return Judgement(NESTED, "invalid", "; ".join(problems))
    behind = told - header.total_image_size
    if behind not in {0, memory_area.SIGNATURE_LENGTH}:
        return Judgement(NESTED, "unknown", f"{found}; {octets_told(behind)} follow it that nothing explains")
    note = f"; {behind} octets follow it, as many as a signature has (UNCONFIRMED)" if behind else ""
    return Judgement(NESTED, "valid", f"{found}; the lengths agree{note}", (view.span(4, 8), content.span(0, 4)))


def _check_nested_alone(view: View, content: View, header: Header) -> Judgement:
    """Of a file that is all of the content."""
    found = f"at octet {content.start:,}: {identity(header)}"
    size = header.total_image_size
    if content.peek(0, 4) != ota_file.MAGIC:
        return Judgement(NESTED, "invalid", f"{found}; one bit of its file identifier is wrong")
    if size > view.size:
        return Judgement(NESTED, "invalid", f"{found}; there are {octets_told(view.size)}")
    if size < view.size:
        return Judgement(NESTED, "unknown", f"{found}; {octets_told(view.size - size)} follow it that nothing explains")
    # A smaller size is no proof of damage, so this does not vouch for the size.
    return Judgement(NESTED, "valid", f"{found}, as there are", (content.span(0, 4),))


def identity(header: Header) -> str:
    return (
        f"manufacturer 0x{header.manufacturer_code:04x}, image type 0x{header.image_type:04x}, "
        f"file version 0x{header.file_version:08x}, {header.total_image_size:,} octets"
    )


def read_header(source: Octets, offset: int) -> Header | None:
    """The header at `offset` if all of it is there; one bit of its file identifier may be wrong."""
    if source.lacks(offset, offset + ota_file.SMALLEST_HEADER) is not None:
        return None
    if not near(bytes(source.read(offset, offset + 4)), ota_file.MAGIC):
        return None
    octets = ota_file.MAGIC + bytes(source.read(offset + 4, offset + (1 << 16)))
    try:
        header = ota_file.parse_header(octets)
    except OtaFileError:
        header = _without_extension(octets, source.size - offset)
    if header is None:
        return None
    return None if source.lacks(offset, offset + header.header_length) is not None else header


def _without_extension(octets: bytes, available: int) -> Header | None:
    """A header whose length cannot be, in a file that holds as many octets as it says: its other fields still count."""
    told = int.from_bytes(octets[6:8], "little")
    least = ota_file.length_by_field_control(int.from_bytes(octets[8:10], "little"))
    try:
        header = ota_file.parse_header(octets[:6] + least.to_bytes(2, "little") + octets[8:])
    except OtaFileError:
        return None
    return replace(header, header_length=told) if header.total_image_size <= available < told else None
