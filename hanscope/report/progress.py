"""How far the reading has come, on standard error while it lasts longer than a second."""

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

from hanscope.report.words import count, printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from hanscope.analyzers.inputs import Progress

PATIENCE_S: Final = 1.0
"""Nothing is shown of work that is done sooner."""


class ProgressBar:
    """Call it with each `Progress`; leaving its context wipes it away."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: "Progress") -> None:
        again = ", again with the keys found" if progress.second_pass else ""
        self._tell(progress.octets_done, progress.octets_total, count(progress.frames, "frame"), progress.path, again)

    def file(self, number: int, of: int, path: str) -> None:
        """The next of many files."""
        self._tell(number, of, f"{number:,} of {count(of, 'file')}", path)

    def _tell(self, done: int, total: int | None, told: str, path: str, note: str = "") -> None:
        if self._bar is None:
            if time.monotonic() - self._began < PATIENCE_S:
                return
            self._bar = self._shown()
        note = printable(Path(path).name) + note
        self._bar.update(self._bar.task_ids[0], completed=done, total=total, told=told, note=note)

    def _shown(self) -> "Bar":
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - seldom
        from rich.progress import Progress as Bar  # noqa: PLC0415 - seldom needed

        from hanscope.report.terminal import console_for  # noqa: PLC0415 - likewise

        bar = Bar(
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[told]}  {task.fields[note]}", markup=False),
            console=console_for(self._stream),
            transient=True,
        )
        bar.add_task("", told="", note="")
        bar.start()
        return bar
