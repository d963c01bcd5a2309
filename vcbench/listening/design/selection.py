"""Choose the rows and trials of a run for a listening test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vcbench.api.conversion import Conversion
from vcbench.base.nouns import counted, verb
from vcbench.listening.kinds import MAXIMUM_SECONDS, MAXIMUM_SIGNALS, Kind, ListeningError
from vcbench.listening.options import Options
from vcbench.speech import audio

if TYPE_CHECKING:
    from vcbench.run.run import Run


def by_row(conversions: Sequence[Conversion]) -> dict[str, dict[str, Conversion]]:
    """Conversions by row and trial."""
    result: dict[str, dict[str, Conversion]] = {}
    for conversion in conversions:
        result.setdefault(conversion.system, {})[conversion.trial] = conversion
    return result


def same_words(run: Run, trial: Any) -> bool:
    """Whether the target's recording has the same words as the source; false if a text is unknown."""
    texts = [run.utterance(identity).text for identity in (trial.source, trial.target_utterance)]
    words = [re.findall(r"\w+", text.casefold()) if text else None for text in texts]
    return words[0] is not None and words[0] == words[1]


def choose_rows(run: Run, test: Kind, converted: dict[str, Any], rows: Sequence[str] | None) -> list[str]:
    """The rows to rate: those named, or every system and the reference rows of the test."""
    if not converted:
        raise ListeningError(f"{run.folder} has no conversions. Run `vcbench run` or `vcbench convert` first.")
    unknown = [row for row in rows or () if row not in run.rows]
    if unknown:
        raise ListeningError(f"The run has no row {', '.join(unknown)}; it has {', '.join(run.rows)}.")
    wanted = [*run.systems, *test.rows] if rows is None else rows
    chosen = [row for row in run.rows if row in wanted and (row in converted or rows is not None)]
    systems = [row for row in chosen if row in run.systems and row in converted]
    if len(systems) < 2:
        raise ListeningError(
            f"A listening test compares at least two systems; converted here: {', '.join(systems) or 'none'}."
        )
    without = [row for row in chosen if row not in converted]
    if without:
        raise ListeningError(f"There are no conversions of {', '.join(without)}. Leave them out.")
    signals = len(chosen) + 3
    if test.answer == "sliders" and signals > MAXIMUM_SIGNALS:
        raise ListeningError(
            f"A MUSHRA page holds at most {MAXIMUM_SIGNALS} signals; {counted(len(chosen), 'row')}, the hidden reference and two "
            f"anchors are {signals}. Name fewer rows."
        )
    return chosen


def of_condition(trials: pd.DataFrame, condition: str | None) -> pd.DataFrame:
    """The trials of a condition; all trials for ``None``.

    Raises:
        ListeningError: unknown condition.
    """
    known = list(dict.fromkeys(trials["condition"]))
    if condition is not None and condition not in known:
        raise ListeningError(f"Unknown condition {condition!r}; the run has {', '.join(known)}.")
    return trials if condition is None else trials[trials["condition"] == condition]


def pick(
    run: Run, test: Kind, converted: dict[str, Any], rows: list[str], options: Options, random: np.random.Generator
) -> list[Any]:
    """Trials: first the items, then those for training, then those for gold pages."""
    trials = of_condition(run.trials, options.condition)
    usable = [trial for trial in trials.itertuples() if all(trial.trial in converted[row] for row in rows)]
    if test.answer == "sliders":
        usable = [trial for trial in usable if _seconds(run, trial, converted, rows) <= MAXIMUM_SECONDS]
    others = options.training + options.gold
    if options.items + others > len(usable):
        of = f" of {options.condition}" if options.condition else ""
        limit = f" and are at most {MAXIMUM_SECONDS:.0f} s long" if test.answer == "sliders" else ""
        raise ListeningError(
            f"The test needs {counted(options.items, 'item')} and {counted(others, 'trial')} for training and "
            f"gold pages; {len(usable)} of the run's "
            f"{counted(len(trials), 'trial')}{of} {verb(len(usable), 'was', 'were')} converted by all of {', '.join(rows)}{limit}. "
            f"Use at most {counted(max(len(usable) - others, 0), 'item')} or fewer training trials, or leave "
            f"out the row that failed most often."
        )
    return _in_turn(usable, options.items + others, random)


def _seconds(run: Run, trial: Any, converted: dict[str, dict[str, Conversion]], rows: Sequence[str]) -> float:
    """Length of the longest recording of an item, in seconds."""
    target = run.utterance(trial.target_utterance)
    own = target.span[1] - target.span[0] if target.span else audio.inspect(target.path).seconds
    return max(own, *(audio.inspect(converted[row][trial.trial].path).seconds for row in rows))


def _in_turn(trials: Sequence[Any], count: int, random: np.random.Generator) -> list[Any]:
    """`count` random trials, alternating between conditions."""
    table = pd.Series([trial.condition for trial in trials])
    shuffled = table.sample(frac=1, random_state=random)
    turn = shuffled.groupby(shuffled).cumcount()
    picked = turn.sort_values(kind="stable").index[:count]
    return [trials[index] for index in picked]
