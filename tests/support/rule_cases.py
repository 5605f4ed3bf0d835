"""For each rule a case that it was made for, and the nearest one at which it says nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from ota_dialogue import BEGIN, CLIENT, EUI, IMAGE, OTHER_SERVER, PAN, SECOND, SERVER, SIZE, UTC, Dialogue
from rule_items import ITEM_CASES, header, order, update
from update_stories import image

from hanscope.analyzers.results import Analysis, Party
from hanscope.dissectors.eui64 import eui64_text


@dataclass(frozen=True)
class Case:
    """Dialogues, each made anew (they are changed when they are heard), or results."""

    fires: Callable[[], Dialogue | Analysis]
    silent: Callable[[], Dialogue | Analysis]


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


def loaded() -> Dialogue:
    """A client that has asked for all of the image."""
    return Dialogue().hum().whole()


def versioned(dialogue: Dialogue, version: int) -> Dialogue:
    """From now on it is about another version."""
    dialogue.version = version
    return dialogue


def paced(dialogue: Dialogue, seconds: float) -> Dialogue:
    """Requests that name a period of a second, and keep another."""
    for offset in (0, 50, 100):
        dialogue.ask(offset, minimum_block_period=1000).pause(seconds - 0.1).block(offset)
    return dialogue


def paged(dialogue: Dialogue, blocks: int, pause: float = 0.1, **columns: int) -> Dialogue:
    """Some blocks of a page of 256 octets, or of as many as there are."""
    dialogue.page(0, max(256, blocks * 64), **columns)
    for number in range(blocks):
        dialogue.pause(pause).block(number * 64, min(64, SIZE - number * 64))
    return dialogue


def replayed(behind: int) -> Dialogue:
    """A frame of the client with a counter that it had used before."""
    talk = times(100, Dialogue(), lambda talk, _: talk.hum())
    talk.counters[CLIENT] -= behind
    talk.hum()
    talk.counters[CLIENT] += behind
    return talk.hum()


def for_hardware(number: int) -> Dialogue:
    """A client that names this hardware version loads an image for 1 to 3."""
    talk = Dialogue().hum().query(field_control=1, hardware_version=number).offer().fetch(0)
    talk.images = (image(header=header(minimum_hardware_version=1, maximum_hardware_version=3)),)
    return talk


def told_when(seconds: int) -> Dialogue:
    """A client is told to upgrade then, and restarts after a hundred seconds."""
    talk = loaded().finish().upgrade()
    told = BEGIN + int(talk.time * SECOND)
    talk.pause(1).hum().pause(100).reboot().hum()
    when = order(by="Upgrade End Response", mode="future dated", time=told, due=told + seconds * SECOND, frames=(1,))
    device = Party(short=CLIENT, eui64=eui64_text(EUI[CLIENT]))
    talk.updates = update(device=device, pan_id=PAN, orders=(when,), transfer_ids=()).updates
    return talk


ALL = 0xFFFF
FOREVER = 0xFFFFFFFF

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
    "ota.block.sequence": Case(lambda: begun().ask(0).block(0, zcl_sequence=195), lambda: begun().ask(0).block(0)),
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
    "ota.notify.length": Case(lambda: begun().notify(payload_type=4), lambda: begun().notify()),
    "ota.notify.jitter": Case(lambda: begun().notify(query_jitter=0), lambda: begun().notify(query_jitter=100)),
    "ota.notify.unicast-type": Case(lambda: begun().notify(), lambda: begun().notify(to=ALL)),
    "ota.notify.unanswered": Case(
        lambda: Dialogue().hum().notify().ack().pause(70).hum(), lambda: Dialogue().hum().notify().ack().query().offer()
    ),
    "ota.notify.broadcast-answered": Case(
        lambda: Dialogue().hum().notify(to=ALL).default(0, 0x80), lambda: Dialogue().hum().notify().default(0, 0x80)
    ),
    "ota.notify.own-version-queried": Case(
        lambda: Dialogue().hum().notify(to=ALL).query(file_version=5),
        lambda: Dialogue().hum().notify(to=ALL).query(file_version=4),
    ),
    "ota.notify.other-version-offered": Case(
        lambda: Dialogue().hum().notify(to=ALL, file_version=6).query().offer(),
        lambda: Dialogue().hum().notify(to=ALL).query().offer(),
    ),
    "ota.query.length": Case(
        lambda: Dialogue().query(field_control=1), lambda: Dialogue().query(field_control=1, hardware_version=2)
    ),
    "ota.offer.status": Case(lambda: Dialogue().query().refuse(0x95), lambda: Dialogue().query().refuse()),
    "ota.offer.length": Case(lambda: Dialogue().query().offer(surplus=2), lambda: Dialogue().query().offer()),
    "ota.offer.other-kind": Case(
        lambda: Dialogue().hum().query().offer(image_type=0x0202), lambda: Dialogue().hum().query().offer()
    ),
    "ota.offer.sequence": Case(
        lambda: Dialogue().hum().query().offer(zcl_sequence=195), lambda: Dialogue().hum().query().offer()
    ),
    "ota.answer.endpoints": Case(
        lambda: Dialogue().hum().query().offer(destination_endpoint=3), lambda: Dialogue().hum().query().offer()
    ),
    "ota.offer.same-version": Case(
        lambda: Dialogue().hum().query(file_version=5).offer(), lambda: Dialogue().hum().query(file_version=4).offer()
    ),
    "ota.offer.downgrade": Case(
        lambda: Dialogue().hum().query(file_version=6).offer(), lambda: Dialogue().hum().query(file_version=4).offer()
    ),
    "ota.offer.declined": Case(
        lambda: begun().default(2, 0x85), lambda: Dialogue().hum().query().refuse(0x95).default(2, 0x80)
    ),
    "ota.offer.not-taken": Case(lambda: begun().ack().pause(70).hum(), lambda: begun().ack().fetch(0).pause(70).hum()),
    "ota.query.often": Case(
        lambda: Dialogue().query().refuse().pause(60).query().refuse(),
        lambda: Dialogue().query().refuse().pause(600).query().refuse(),
    ),
    "ota.query.hardware-changed": Case(
        lambda: Dialogue().query(hardware_version=1).refuse().query(hardware_version=2),
        lambda: Dialogue().query(hardware_version=1).refuse().query(hardware_version=1),
    ),
    "ota.offer.wildcard": Case(lambda: Dialogue().query().offer(image_type=0xFFFF), lambda: Dialogue().query().offer()),
    "ota.end.too-early": Case(lambda: loading(0, 50, 100).finish(), lambda: loading(0, 50, 100).missed().finish()),
    "ota.end.status": Case(lambda: loaded().finish(0x94), lambda: loaded().finish(0x96)),
    "ota.end.rejected": Case(lambda: loaded().finish(0x96), lambda: loaded().finish()),
    "ota.end.aborted": Case(lambda: loaded().finish(0x95), lambda: loaded().finish(0x99)),
    "ota.end.more-needed": Case(lambda: loaded().finish(0x99), lambda: loaded().finish()),
    "ota.end.other-image": Case(
        lambda: loaded().finish(file_version=6), lambda: loaded().missed().finish(file_version=6)
    ),
    "ota.end.unanswered": Case(lambda: loaded().finish().ack().pause(10), lambda: loaded().finish().ack().upgrade()),
    "ota.end.wrong-answer": Case(lambda: loaded().finish(0x96).upgrade(), lambda: loaded().finish(0x96).default(6)),
    "ota.end.identity-mismatch": Case(
        lambda: loaded().finish().upgrade(file_version=6), lambda: loaded().finish().upgrade(file_version=0xFFFFFFFF)
    ),
    "ota.end.times": Case(lambda: loaded().finish().upgrade(1000, 900), lambda: loaded().finish().upgrade(1000, 1000)),
    "ota.end.clock": Case(
        lambda: loaded().finish().upgrade(0x12345, 0x1234A), lambda: loaded().finish().upgrade(UTC, UTC + 5)
    ),
    "ota.end.early-reboot": Case(
        lambda: loaded().finish().reboot().hum(),
        lambda: loaded().finish().missed(SERVER).reboot().hum(),
    ),
    "ota.end.repeated-early": Case(
        lambda: loaded().finish().upgrade(0, FOREVER).pause(60).finish(),
        lambda: loaded().finish().upgrade(0, FOREVER).pause(3600).finish(),
    ),
    "ota.end.version-unchanged": Case(
        lambda: loaded().finish().upgrade().pause(120).query(),
        lambda: loaded().finish().upgrade().pause(120).query(file_version=5),
    ),
    "ota.end.version-other": Case(
        lambda: loaded().finish().upgrade().pause(120).query(file_version=9),
        lambda: loaded().finish().upgrade().pause(120).query(file_version=5),
    ),
    "ota.session.downloaded-again": Case(
        lambda: loaded().finish().upgrade().whole(),
        lambda: versioned(loaded().finish().upgrade(), 6).whole(),
    ),
    "ota.session.stalled": Case(
        lambda: times(40, loading(0, 50).pause(60), lambda talk, _: talk.pause(5).hum()),
        lambda: times(
            40, loading(0, 50).pause(60), lambda talk, _: talk.pause(5).missed(CLIENT, 3).missed(SERVER, 3).hum()
        ),
    ),
    "ota.end.before-time": Case(lambda: told_when(300), lambda: told_when(60)),
    "ota.end.no-default-response": Case(
        lambda: loaded().finish().upgrade(disable_default_response=0).ack().pause(10),
        lambda: loaded().finish().upgrade().ack().pause(10),
    ),
    "ota.default.not-wanted": Case(
        lambda: loading().default(5), lambda: begun().ask(0).block(0, disable_default_response=0).default(5)
    ),
    "ota.default.to-default": Case(lambda: loading().default(0x0B), lambda: loading().default(0x02)),
    "ota.direction": Case(
        lambda: Dialogue().notify().default(0, from_server=1), lambda: Dialogue().notify().default(0, from_server=0)
    ),
    "ota.sequence-constant": Case(
        lambda: begun().ask(0, zcl_sequence=1).block(0).ask(50, zcl_sequence=1).block(50),
        lambda: begun().ask(0, zcl_sequence=1).block(0).ask(50, zcl_sequence=2).block(50),
    ),
    "ota.wait.ignored": Case(
        lambda: begun().ask(0).wait(60).ack().pause(10).fetch(0),
        lambda: begun().ask(0).wait(60).ack().pause(60).fetch(0),
    ),
    "ota.wait.other-offset": Case(
        lambda: loading().ask(50).wait(1).ack().pause(2).fetch(100),
        lambda: loading().ask(50).wait(1).ack().pause(2).fetch(50),
    ),
    "ota.wait.times": Case(lambda: begun().ask(0).wait(-100, 1000), lambda: begun().ask(0).wait(60)),
    "ota.wait.clock": Case(lambda: begun().ask(0).wait(60, 0x12345), lambda: begun().ask(0).wait(60)),
    "ota.wait.too-fast": Case(lambda: paced(begun(), 0.6), lambda: paced(begun(), 0.95)),
    "ota.wait.much-too-fast": Case(lambda: paced(begun(), 0.1), lambda: paced(begun(), 0.6)),
    "ota.wait.period-not-taken": Case(
        lambda: begun().ask(0).wait(0, period=500).ack().pause(1).ask(0, minimum_block_period=0),
        lambda: begun().ask(0).wait(0, period=500).ack().pause(1).ask(0, minimum_block_period=500),
    ),
    "ota.wait.length": Case(
        lambda: begun().ask(0, field_control=2, minimum_block_period=0).wait(5, period=-1),
        lambda: begun().ask(0, field_control=2, minimum_block_period=0).wait(5),
    ),
    "ota.page.request": Case(lambda: begun().page(0, 0), lambda: begun().page(0, 256)),
    "ota.page.block-outside": Case(lambda: begun().page(0).block(512, 64), lambda: begun().page(0).block(192, 64)),
    "ota.page.too-fast": Case(lambda: paged(begun(), 16, 0, spacing=200), lambda: paged(begun(), 16, 0.2, spacing=200)),
    "ota.page.ack-asked": Case(
        lambda: begun().page(0).block(0, 64), lambda: begun().page(0).block(0, 64, ack_request=0)
    ),
    "ota.page.incomplete": Case(
        lambda: paged(begun(), 3).page(256), lambda: paged(begun(), 3).missed(SERVER).page(256)
    ),
    "ota.page.skipped": Case(lambda: paged(begun(), 4).page(512), lambda: paged(begun(), 4).missed().page(512)),
    "ota.page.repeated": Case(lambda: begun().page(0).pause(5).page(0), lambda: begun().page(0).again()),
    "ota.page.repeated-often": Case(
        lambda: times(5, begun(), lambda talk, _: talk.page(0).pause(5)),
        lambda: times(4, begun(), lambda talk, _: talk.page(0).pause(5)),
    ),
    "ota.page.unanswered": Case(
        lambda: begun().page(0).ack().pause(6).ask(0).block(0),
        lambda: begun().page(0).ack().default(4, 0x81).pause(6).ask(0).block(0),
    ),
    "ota.timing.late-answer": Case(lambda: begun().ask(0).pause(6).block(0), lambda: begun().ask(0).pause(4).block(0)),
    "ota.timing.stall": Case(
        lambda: loading().pause(180).fetch(50), lambda: loading().ask(50).wait(180).pause(180).fetch(50)
    ),
    "security.ota-without-aps": Case(
        lambda: Dialogue(profile=0x0109).query().offer(), lambda: Dialogue(profile=0x0109, secured=1).query().offer()
    ),
    "security.broadcast-with-aps": Case(
        lambda: Dialogue().notify(to=ALL, aps_secured=1), lambda: Dialogue().notify(to=ALL)
    ),
    "security.ota-without-nwk": Case(
        lambda: begun().ask(0).block(0, nwk_frame_counter=-1), lambda: begun().ask(0).block(0)
    ),
    "security.replay": Case(lambda: replayed(60), lambda: replayed(2)),
    "security.two-servers": Case(
        lambda: loading(0, 50).between(CLIENT, OTHER_SERVER).hum().fetch(100, 150),
        lambda: loaded().finish().upgrade().between(CLIENT, OTHER_SERVER).hum().query().offer().fetch(0, 50),
    ),
    "ota.session.restarted": Case(
        lambda: loading(0, 50, 100).fetch(0, 50), lambda: loading(0, 50).ask(50).block(50).fetch(100)
    ),
    "ota.session.server-aborted": Case(lambda: begun().ask(0).say(0x05, status=0x95), lambda: begun().ask(0).wait(60)),
    "transport.request-undelivered": Case(
        lambda: loading().ask(50).pause(6).ask(50).block(50),
        lambda: loading().ask(50).ack().pause(6).ask(50).block(50),
    ),
    "transport.answered-again": Case(lambda: begun().ask(0).block(0).block(0), lambda: begun().ask(0).block(0).again()),
    "transport.client-rebooted": Case(
        lambda: loading(0, 50).reboot().fetch(100), lambda: loaded().finish().upgrade().pause(9).reboot().hum()
    ),
    "image.wrong-hardware": Case(lambda: for_hardware(5), lambda: for_hardware(2)),
    **{rule: Case(*cases) for rule, cases in ITEM_CASES.items()},
}
