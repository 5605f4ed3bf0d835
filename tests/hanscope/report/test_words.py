from types import SimpleNamespace

import pytest

from hanscope.analyzers import results
from hanscope.report import words

GAP = results.MissingRange(start=1024, end=2048, reason="never requested")
MISSED = results.MissingRange(start=1024, end=2048, reason="answered but not captured")


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "0 ms"),
        (350_000_000, "350 ms"),
        (9 * 10**9, "9 s"),
        (1537 * 10**9, "25 min 37 s"),
        (7500 * 10**9, "2 h 5 min"),
        (3 * 86400 * 10**9 + 4 * 3600 * 10**9, "3 d 4 h"),
        (-9 * 10**9, "-9 s"),
    ],
)
def test_durations_are_told_as_people_do(time_ns, text):
    assert words.duration(time_ns) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 10, "0%"), (2, 10, "20%"), (99_999_999, 100_000_000, "99.99%"), (10, 10, "100%"), (5, 0, "0%")],
)
def test_shares_are_rounded_down(part, whole, text):
    assert words.share(part, whole) == text


def test_moments_are_utc(made):
    assert words.moment(made.START) == "2026-03-01T10:00:00Z"
    assert words.clock(made.START) == "10:00:00"


def test_a_time_beyond_the_calendar_is_shown_as_its_number():
    assert words.moment(2**64 * 10**9) == f"{2**64 * 10**9} ns"
    assert words.clock(2**64 * 10**9) == f"{2**64 * 10**9} ns"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold]text[/]", "plain [bold]text[/]"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r\t\0", r"a\nb\r\t\x00"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("bad\udcffname", r"bad\udcffname"),
        ("Zähler", "Zähler"),
    ],
)
def test_nothing_steers_the_terminal(text, shown):
    assert words.printable(text) == shown


def test_endless_text_is_cut():
    assert words.printable("x" * 10_000) == "x" * 500 + " (and 9,500 more characters)"


def test_a_complete_transfer_is_good(made):
    tone, sentences = words.verdict(made.analysis())
    assert tone == "good"
    assert sentences == (
        "The firmware transfer is complete.",
        f"Device {made.METER} loaded the whole image and was told to upgrade.",
    )


def test_a_stopped_transfer_is_bad_and_says_where(made):
    stopped = made.transfer(
        id="T2", complete=False, state="stalled", received_bytes=1024, missing_ranges=(GAP,), sha256=None
    )
    tone, sentences = words.verdict(made.analysis(transfers=(made.transfer(), stopped)))
    assert tone == "bad"
    assert sentences[:2] == ("1 of 2 firmware transfers is complete.", f"Device {made.METER} stopped at 50%.")


def test_what_the_sniffer_missed_is_not_held_against_the_device(made):
    heard_half = made.transfer(complete=False, received_bytes=1024, missing_ranges=(MISSED,), sha256=None)
    tone, sentences = words.verdict(made.analysis(transfers=(heard_half,)))
    assert tone == "open"
    assert (
        sentences[1]
        == f"Device {made.METER} reported that it has the whole image; the capture holds 1,024 of 2,048 octets (50%)."
    )


def test_how_far_a_device_came_counts_what_the_sniffer_missed(made):
    stopped = made.transfer(complete=False, state="stalled", received_bytes=512, missing_ranges=(MISSED,), sha256=None)
    assert words.outcome(stopped) == (
        f"Device {made.METER} stopped at 75%; the capture holds 512 of 2,048 octets (25%)."
    )


def test_a_transfer_of_unknown_size_tells_octets(made):
    stopped = made.transfer(complete=False, state="aborted", received_bytes=512, image_size=None, sha256=None)
    assert words.outcome(stopped) == f"The transfer to device {made.METER} was aborted after 512 octets."


def test_a_device_without_eui64_is_named_by_address_and_pan(made):
    assert words.party(results.Party(short=0x3C4D, eui64=None), 0x1A2B) == "0x3c4d in PAN 0x1a2b"
    assert words.party(results.Party(short=0, eui64=made.HUB), 0x1A2B) == made.HUB


@pytest.mark.parametrize("state", list(words.STATES))
@pytest.mark.parametrize("complete", [True, False])
def test_every_state_has_its_sentence(made, state, complete):
    transfer = made.transfer(state=state, complete=complete, received_bytes=len(made.IMAGE) if complete else 7)
    sentence = words.outcome(transfer)
    assert made.METER in sentence
    assert "{" not in sentence
    assert sentence.endswith(".")


def test_the_states_are_those_of_the_contract():
    assert set(words.STATES) == set(results.TransferState.__args__)


def test_missing_keys_are_told_with_what_to_do(made):
    shut = results.Unopened(layer="NWK", pan_id=0x1A2B, reason="no key for this PAN", frames=40, first_frame=1)
    tone, sentences = words.verdict(made.analysis(transfers=(), images=(), keys=(), unopened=(shut,)))
    assert tone == "bad"
    assert sentences == (
        "The traffic is encrypted and no key opened it (40 frames).",
        "Give a key with --keys FILE or --key HEX, or capture a device while it joins.",
    )


def test_some_shut_frames_are_counted(made):
    shut = results.Unopened(layer="NWK", pan_id=1, reason="no key for this PAN", frames=40, first_frame=1)
    assert "40 encrypted frames stay shut." in words.verdict(made.analysis(unopened=(shut,))).sentences
    assert not words.nothing_opened(made.analysis(unopened=(shut,)))
    assert words.nothing_opened(made.analysis(unopened=(shut,), keys=(made.key(nwk_frames=0),)))


def test_an_empty_capture_says_so(made):
    sentences = words.verdict(made.analysis(captures=(made.capture(frames=0),), transfers=(), images=())).sentences
    assert sentences == ("The input holds no IEEE 802.15.4 frame.",)


def test_a_fault_and_an_interruption_are_told(made):
    fault = results.Fault(where="frame 12", what="cut short")
    analysis = made.analysis(captures=(made.capture(faults=(fault, fault)),), interrupted=True)
    tone, sentences = words.verdict(analysis)
    assert tone == "open"
    assert sentences[-2:] == (
        "Fault in house.pcapng, frame 12: cut short and 1 more fault.",
        "Reading was interrupted: this is what had been read by then.",
    )


def test_a_failed_check_is_bad(made):
    failed = results.Check(name="size", outcome="invalid", detail="too short")
    tone, sentences = words.verdict(made.analysis(images=(made.image(checks=(failed,)),)))
    assert tone == "bad"
    assert "1 image check failed." in sentences


def test_a_capture_of_another_link_type_is_told_with_what_to_do(made):
    interface = results.CaptureInterface(
        index=0, link_type=113, link_type_name="LINUX_SLL", frames=0, trailer="not-802.15.4", evidence="-"
    )
    other = made.capture(frames=0, other_frames=7, interfaces=(interface,))
    tone, sentences = words.verdict(made.analysis(captures=(other,), transfers=(), images=()))
    assert tone == "open"
    advice = "capture with one of IEEE 802.15.4 (195, 215, 230 or 283)."
    assert sentences == (
        "The input holds no IEEE 802.15.4 frame.",
        f"house.pcapng is of link type 113 (LINUX_SLL), 7 records; {advice}",
    )


@pytest.mark.parametrize(
    ("offset_ns", "settings", "sentences"),
    [
        (
            -5 * 10**9,
            (),
            ["clock 5.000 s behind that of a.pcap, drift +20.0 ppm, within 12 us (99 common frames compared)"],
        ),
        (300, (), ["clock agrees with that of a.pcap, drift +20.0 ppm, within 12 us (99 common frames compared)"]),
        (
            10**9,
            ((0, -2 * 10**9), (60 * 10**9, 500_000_000)),
            [
                "clock 1.000 s ahead of that of a.pcap, drift +20.0 ppm, within 12 us (99 common frames compared)",
                (
                    "its clock was set back 2.000 s at 1970-01-01T00:00:00Z, forward 500.0 ms at 1970-01-01T00:01:00Z; "
                    "times here go on"
                ),
            ],
        ),
    ],
)
def test_what_a_capture_has_in_common_with_others(offset_ns, settings, sentences):
    merging = results.Merging(
        clock=results.Clock(reference="a.pcap", offset_ns=offset_ns, drift_ppm=20.0, spread_ns=12_000, matches=99),
        clock_settings=tuple(results.ClockSetting(time=time, by_ns=by_ns) for time, by_ns in settings),
        common_frames=0,
        kept_frames=0,
        only_here=0,
        only_here_during_others=0,
        only_here_runs=(),
    )
    *told, last = words.merging(SimpleNamespace(merging=merging))
    assert told == sentences
    assert last == "no frame in common with another capture: put in order by its own clock"
