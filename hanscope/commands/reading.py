"""Reads captures and what goes with them: keys, certificates."""

import gc
import stat
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hanscope.commands.base import CommandError, ExitCode, complain, during
from hanscope.commands.options import Gate, ProfileName

if TYPE_CHECKING:
    from hanscope.analyzers.analysis import AnalysisRun, Scope
    from hanscope.analyzers.frames import FrameReader
    from hanscope.analyzers.keys import KeyRing
    from hanscope.analyzers.messages import Credentials
    from hanscope.analyzers.references import Given
    from hanscope.analyzers.results import Analysis, Capture, Image
    from hanscope.analyzers.rules.engine import Choice


class Reading(NamedTuple):
    """What came of reading the captures."""

    analysis: "Analysis"
    run: "AnalysisRun | None"

    @property
    def anything(self) -> bool:
        """Whether any capture could be read."""
        return self.run is not None


def exit_code(analysis: "Analysis", fail_on: Gate) -> ExitCode:
    """The one exit code that an analysis comes to."""
    from hanscope.report.words import nothing_opened, of_another_kind  # noqa: PLC0415 - heavy

    gates = list(Gate)
    if analysis.interrupted:
        return ExitCode.INTERRUPTED
    if any(capture.faults or of_another_kind(capture) for capture in analysis.captures):
        return ExitCode.INPUT
    if nothing_opened(analysis):
        return ExitCode.NO_KEY
    if disappointed(analysis.images):
        return ExitCode.FINDINGS
    if any(gates.index(Gate(finding.severity)) >= gates.index(fail_on) for finding in analysis.findings):
        return ExitCode.FINDINGS
    return ExitCode.OK


@contextmanager
def loading() -> "Generator[None]":
    """Keeps the garbage collector from what is loaded inside: that stays, and looking through it takes as long as
    decoding 200 messages.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def credentials_of(certificates: Sequence[Path] | None, private_keys: Sequence[Path] | None) -> "Credentials | None":
    """What GBCS messages are verified with; what is wrong with it is told."""
    if not certificates and not private_keys:
        return None
    with loading():
        from hanscope.analyzers.certificates import read_certificates, read_private_keys  # noqa: PLC0415 - heavy
        from hanscope.analyzers.messages import Credentials  # noqa: PLC0415 - heavy

    credentials = Credentials(read_certificates(certificates or ()), read_private_keys(private_keys or ()))
    for fault in (*credentials.certificates.faults, *credentials.private_keys.faults):
        complain(f"{fault.where}: {fault.what}")
    return credentials


def key_ring(file: Path | None, texts: Sequence[str] | None) -> "KeyRing":
    from hanscope.analyzers.keys import KeyFileError, KeyRing, load_key_file, parse_key  # noqa: PLC0415 - heavy

    try:
        ring = KeyRing() if file is None else load_key_file(file)
        for text in texts or ():
            ring = ring.plus(parse_key(text))
    except KeyFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    return ring


def given_of(
    references: Sequence[Path] | None, hashes: Sequence[str] | None, hash_lists: Sequence[Path] | None
) -> "Given | None":
    """What images are held against; lines of a list that cannot be used are told."""
    if not references and not hashes and not hash_lists:
        return None
    from hanscope.analyzers import references as given  # noqa: PLC0415 - only when they are given

    try:
        files = tuple(given.load_reference(path) for path in references or ())
        listed = [given.parse_hash(text) for text in hashes or ()]
        for path in hash_lists or ():
            found, complaints = given.load_hash_list(path)
            listed += found
            for complaint in complaints:
                complain(complaint)
    except given.ReferenceFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    return given.Given(files, tuple(listed))


def choice_of(
    select: Sequence[str] | None,
    ignore: Sequence[str] | None,
    profile: ProfileName | None,
    thresholds: Path | None,
) -> "Choice | None":
    """Which rules count; `None`: as is usual."""
    if not select and not ignore and profile is None and thresholds is None:
        return None
    from hanscope.analyzers.rules.catalogue import named  # noqa: PLC0415 - only when something is chosen
    from hanscope.analyzers.rules.engine import Choice  # noqa: PLC0415 - the same
    from hanscope.analyzers.rules.limits import Limits, LimitsError, read_limits  # noqa: PLC0415 - the same

    for option, names in (("--select", select), ("--ignore", ignore)):
        for name in names or ():
            if not named([name]):
                raise CommandError(f"{option} {name}: no rule begins so; see `hanscope rules`", ExitCode.USAGE)
    try:
        limits = Limits() if thresholds is None else read_limits(thresholds)
    except LimitsError as error:
        raise CommandError(f"--thresholds {error}", ExitCode.USAGE) from None
    return Choice(None if profile is None else profile.value, named(select or ()), named(ignore or ()), limits)


def disappointed(images: "Iterable[Image]") -> bool:
    """Whether an image is not what `--reference` or `--hash` says."""
    outside = {"reference file", "hash list"}
    return any(one.outcome == "invalid" and one.source in outside for image in images for one in image.witnesses)


def read(
    paths: Sequence[str],
    keys: "KeyRing",
    *,
    no_progress: bool,
    processes: int | None,
    show_keys: bool,
    credentials: "Credentials | None" = None,
    given: "Given | None" = None,
    choice: "Choice | None" = None,
    scope: "Scope" = "all",
) -> Reading:
    """Analyzes the captures that can be read; those that cannot stand in the result with their fault."""
    from hanscope.analyzers.analysis import analyze as analyze_captures  # noqa: PLC0415 - heavy
    from hanscope.analyzers.results import Analysis  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.report.progress import ProgressBar  # noqa: PLC0415 - heavy

    if paths.count("-") > 1 or ("-" in paths and sys.stdin.isatty()):
        raise CommandError(
            "-: standard input can be given once, and not from a terminal; pipe a capture in", ExitCode.USAGE
        )
    readable: list[str] = []
    unreadable: list[Capture] = []
    for path in paths:
        if why := _unreadable(path):
            complain(why)
            unreadable.append(_lost_capture(path, why))
        else:
            readable.append(path)
    run: AnalysisRun | None = None
    if readable:
        shown = not no_progress and sys.stderr.isatty()
        try:
            with during(f"reading {', '.join(readable)}"), ProgressBar(sys.stderr) if shown else nullcontext() as bar:
                run = analyze_captures(
                    readable,
                    keys=keys,
                    progress=bar,
                    processes=processes,
                    show_keys=show_keys,
                    credentials=credentials,
                    given=given,
                    choice=choice,
                    scope=scope,
                )
        except CaptureError as error:  # of what can only be read once: a pipe
            complain(str(error))
            unreadable += [_lost_capture(path, str(error)) for path in readable]
    if run is None:
        empty = Analysis(captures=(), layers=(), unopened=(), devices=(), keys=(), transfers=(), images=())
        return Reading(analysis=_with_captures(empty, unreadable), run=None)
    return Reading(analysis=_with_captures(run.analysis, unreadable), run=run)


@contextmanager
def frames_of(path: str, keys: "KeyRing", *, no_progress: bool, processes: int | None) -> "Generator[FrameReader]":
    """A capture that was read, for its frames; its faults are told on standard error."""
    from hanscope.analyzers.frames import open_frames  # noqa: PLC0415 - heavy
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.report.progress import ProgressBar  # noqa: PLC0415 - heavy

    if path == "-" and sys.stdin.isatty():
        raise CommandError("-: standard input is a terminal; pipe a capture in", ExitCode.USAGE)
    shown = not no_progress and sys.stderr.isatty()
    try:
        with during(f"reading {path}"), ExitStack() as stack:
            with ProgressBar(sys.stderr) if shown else nullcontext() as bar:
                reader = stack.enter_context(open_frames(path, keys=keys, progress=bar, processes=processes))
            if reader.analysis.interrupted:
                raise KeyboardInterrupt
            tell_faults(reader.analysis, path)
            yield reader
    except CaptureError as error:
        raise CommandError(str(error), ExitCode.INPUT) from None


def tell_faults(analysis: "Analysis", path: str) -> None:
    """What is wrong with a capture, for reports without a verdict."""
    from hanscope.report.words import another_kind, of_another_kind  # noqa: PLC0415 - heavy

    for capture in analysis.captures:
        for fault in capture.faults:
            complain(f"{path}: {fault.where}: {fault.what}")
        if of_another_kind(capture):
            complain(another_kind(capture))


def frames_exit_code(analysis: "Analysis") -> ExitCode:
    """As for an analysis, without its findings."""
    code = exit_code(analysis, Gate.ERROR)
    return ExitCode.OK if code is ExitCode.FINDINGS else code


def _unreadable(path: str) -> str | None:
    """Why a file cannot be read as a capture at all. Pipes are not touched: what is read from them is gone."""
    from hanscope.captures.batch import CaptureError  # noqa: PLC0415 - heavy
    from hanscope.captures.files import open_capture  # noqa: PLC0415 - heavy

    try:
        if path == "-" or not (stat.S_ISREG(mode := Path(path).stat().st_mode) or stat.S_ISDIR(mode)):
            return None
    except (OSError, ValueError):
        pass  # open_capture says it better
    try:
        with open_capture(path):
            return None
    except CaptureError as error:
        return str(error)


def _lost_capture(path: str, why: str) -> "Capture":
    """An entry for a capture of which nothing could be read, so that reports do not pass over it."""
    from hanscope.analyzers.results import Capture, Fault  # noqa: PLC0415 - heavy

    return Capture(
        path=path,
        format="unknown",
        compressed=False,
        frames=0,
        other_frames=0,
        bad_fcs=0,
        unchecked_fcs=0,
        started=None,
        ended=None,
        interfaces=(),
        comments=0,
        faults=(Fault(where=path, what=why.removeprefix(f"{path}: ")),),
    )


def _with_captures(analysis: "Analysis", more: Sequence["Capture"]) -> "Analysis":
    import msgspec  # noqa: PLC0415 - heavy

    return msgspec.structs.replace(analysis, captures=(*analysis.captures, *more)) if more else analysis
