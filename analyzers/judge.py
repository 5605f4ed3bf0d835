"""What is thought of a capture beside what is in it: deviations from rules, updates told whole, diagnoses.

It takes what the reading gives, chunk by chunk, and adds to the results in the end. Whoever only wants the transfers
does without.
"""

from collections.abc import Iterable

import msgspec

from hanscope.analyzers.addresses import Sighting
from hanscope.analyzers.devices import with_kinds
from hanscope.analyzers.dissect import Dissected
from hanscope.analyzers.listening import Listening
from hanscope.analyzers.results import Analysis
from hanscope.analyzers.rules.engine import Choice, RuleEngine
from hanscope.analyzers.tables import OtaTable
from hanscope.analyzers.updates.signs import SignBuilder, Signs


class Judge:
    """Takes the tables of the input, in its order."""

    def __init__(self, choice: Choice | None) -> None:
        self.rules = RuleEngine(choice)
        self._builder = SignBuilder()
        self._signs = Signs()

    def feed(self, table: OtaTable, result: Dissected) -> None:
        """Takes in one batch. `table`: its OTA commands, those of reassembled messages among them."""
        self._builder.feed(table)
        self.rules.feed(table, result.hearing, result.acks, result.damaged_ota)

    def end(self, listening: Listening, sightings: Iterable[Sighting]) -> None:
        """There is nothing more."""
        self.rules.end(listening.until)
        self._signs = self._builder.finish(sightings)

    def concluded(self, analysis: Analysis) -> Analysis:
        """The analysis with what is thought of it."""
        if analysis.transfers or analysis.messages:
            from hanscope.analyzers.updates.telling import updates_of  # noqa: PLC0415 -- not every capture has one

            updates = updates_of(analysis, self._signs, self.rules.evidence)
            analysis = msgspec.structs.replace(analysis, updates=updates)
        analysis = msgspec.structs.replace(
            analysis,
            findings=self.rules.findings(analysis, several=len(analysis.captures) > 1, courses=self._signs.courses),
            quality=self.rules.evidence.quality(),
        )
        if analysis.updates:
            from hanscope.analyzers.comparison import comparisons_of  # noqa: PLC0415 -- of what not every capture has
            from hanscope.analyzers.diagnosis import diagnoses_of  # noqa: PLC0415

            analysis = msgspec.structs.replace(
                analysis,
                diagnoses=diagnoses_of(analysis),
                comparisons=comparisons_of(analysis.transfers),
                devices=with_kinds(analysis.devices, analysis.updates),
            )
        return analysis
