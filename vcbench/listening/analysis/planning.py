"""`vcbench listen plan`: how many listeners a test needs, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcbench.base.nouns import counted
from vcbench.listening.analysis.sample_size import (
    Asked,
    Variances,
    from_pilot,
    listeners_needed,
    power,
    simulate,
)
from vcbench.listening.answers.key import open_key
from vcbench.listening.answers.reading import read
from vcbench.listening.kinds import ListeningError, find_kind

SIMULATED = 1000


def plan(
    test: str,
    difference: float,
    wanted: float,
    alpha: float,
    comparisons: int,
    items: int,
    each: int | None,
    pilot: Sequence[Path],
    key: Path | None,
    variances: str | None,
) -> str:
    """The number of listeners, its power, and the options of `listen build`.

    Raises:
        ListeningError: neither a pilot with its key nor variances, or numbers that allow no test.
    """
    test, spread = (find_kind(test), _given(variances)) if variances is not None else _of_pilot(pilot, key)
    asked = Asked(test, difference, items, each or items, wanted, alpha, comparisons)
    listeners = listeners_needed(asked, spread)
    found = simulate(asked, spread, listeners, SIMULATED)
    step = f"{alpha:g} / {comparisons}" if comparisons > 1 else f"{alpha:g}"
    return (
        f"{counted(listeners, 'listener')} who rate {asked.each} of {counted(items, 'clip')} of each system "
        f"find a difference of {difference:g} with a "
        f"power of {power(asked, spread, listeners):.2f} (Wilcoxon's test at {step}; {found:.2f} of {SIMULATED} simulated tests "
        f"found it). "
        f"Variances: listener {spread.listener:.3g}, item {spread.item:.3g}, residual {spread.residual:.3g}. Build it with "
        f"--test {test} --items {items} --listeners {listeners} --per-item {listeners * asked.each // items}."
    )


def _of_pilot(pilot: Sequence[Path], key: Path | None) -> tuple[str, Variances]:
    if not pilot or key is None:
        raise ListeningError(
            "The variances are unknown. Give a pilot with --pilot ANSWERS --key KEY, or --variances LISTENER,ITEM,RESIDUAL, "
            "for example 0.1,0.05,0.6."
        )
    opened = open_key(key)
    return opened.test, from_pilot(read(pilot, opened).table, opened.test)


def _given(variances: str) -> Variances:
    try:
        return Variances(*(float(part) for part in variances.split(",")))
    except (TypeError, ValueError) as error:
        raise ListeningError(
            "--variances takes three numbers, of listeners, items and the rest, for example 0.1,0.05,0.6; received "
            f"{variances!r}."
        ) from error
