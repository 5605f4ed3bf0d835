"""For each rule a case that it was made for, and the nearest one at which it says nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from ota_dialogue import IMAGE, SERVER, SIZE, Dialogue


@dataclass(frozen=True)
class Case:
    """Dialogues, each made anew: they are changed when they are heard."""

    fires: Callable[[], Dialogue]
    silent: Callable[[], Dialogue]


def begun() -> Dialogue:
    """A client that has been offered an image."""
    return Dialogue().hum().query().offer()


def loading(*offsets: int) -> Dialogue:
    return begun().fetch(*(offsets or (0,)))


def times(many: int, dialogue: Dialogue, step: Callable[[Dialogue, int], object]) -> Dialogue:
    for number in range(many):
        step(dialogue, number)
    return dialogue


def interleaved(dialogue: Dialogue, *versions: int) -> Dialogue:
    for offset, version in enumerate(versions):
        dialogue.ask(offset * 50, file_version=version).block(offset * 50, file_version=version)
    return dialogue


CASES: dict[str, Case] = {
    "ota.block.request-length": Case(
        lambda: begun().ask(0, field_control=2),
        lambda: begun().ask(0, field_control=2, minimum_block_period=0),
    ),
    "ota.block.other-image": Case(
        lambda: begun().ask(0, file_version=6).block(0, file_version=6),
        lambda: begun().missed(SERVER).ask(0, file_version=6).block(0, file_version=6),
    ),
    "ota.block.late-start": Case(lambda: begun().fetch(62), lambda: begun().fetch(0)),
    "ota.block.skipped": Case(lambda: loading().fetch(100), lambda: loading().missed().fetch(100)),
    "ota.block.repeated": Case(
        lambda: loading().ask(50).ask(50).block(50), lambda: loading().ask(50).again().block(50)
    ),
    "ota.block.repeated-often": Case(
        lambda: times(12, loading(), lambda talk, _: talk.ask(50)).block(50),
        lambda: times(11, loading(), lambda talk, _: talk.ask(50)).block(50),
    ),
    "ota.block.size-zero": Case(lambda: begun().ask(0, 0), lambda: begun().ask(0, 1).block(0, 1)),
    "ota.block.size-changes": Case(
        lambda: times(12, begun(), lambda talk, number: talk.ask(50 * number, 50 - number % 2)),
        lambda: begun().fetch(0, size=8).fetch(*range(8, 968, 64), size=64).fetch(968, size=32),
    ),
    "ota.block.request-beyond-end": Case(
        lambda: loading().ask(SIZE), lambda: begun().fetch(*range(0, SIZE, 50)).ask(SIZE - 1, 1)
    ),
    "ota.block.too-long": Case(lambda: begun().ask(0, 50).block(0, 64), lambda: begun().ask(0, 50).block(0, 50)),
    "ota.block.beyond-end": Case(lambda: begun().ask(980).block(980), lambda: begun().ask(980).block(980, 20)),
    "ota.block.data-length": Case(
        lambda: begun().ask(0).block(0, data_length=40), lambda: begun().ask(0).block(0, data_length=50)
    ),
    "ota.block.offset-mismatch": Case(lambda: loading().ask(50).block(100), lambda: begun().page(50).block(114, 64)),
    "ota.block.identity-mismatch": Case(
        lambda: begun().ask(0).block(0, file_version=6), lambda: begun().ask(0).block(0, file_version=5)
    ),
    "ota.block.shorter": Case(lambda: begun().ask(0, 50).block(0, 32), lambda: begun().ask(980, 50).block(980, 20)),
    "ota.block.conflict": Case(
        lambda: loading().ask(0).block(0, data=b"\xff" + IMAGE[1:50]), lambda: loading().ask(0).block(0)
    ),
    "ota.block.status": Case(
        lambda: begun().ask(0).say(0x05, status=0x98), lambda: begun().ask(0).say(0x05, status=0x95)
    ),
    "ota.block.unanswered": Case(
        lambda: loading().ask(50).ack().pause(6).ask(50).block(50),
        lambda: loading().ask(50).ack().missed(SERVER).pause(6).ask(50).block(50),
    ),
    "ota.block.answered-twice": Case(
        lambda: begun().ask(0).block(0).block(50), lambda: begun().ask(0).block(0).block(0)
    ),
    "ota.block.end-not-fetched": Case(
        lambda: begun().fetch(*range(0, 950, 50)).fetch(950, size=49).finish(),
        lambda: begun().fetch(*range(0, 1000, 50)).finish(),
    ),
    "ota.block.default-response-invited": Case(
        lambda: begun().ask(0).block(0, disable_default_response=0), lambda: begun().ask(0).block(0)
    ),
    "ota.block.images-interleaved": Case(
        lambda: interleaved(begun(), 5, 6, 5), lambda: interleaved(interleaved(begun(), 5, 5).finish(), 6, 6)
    ),
}
