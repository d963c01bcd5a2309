"""`vcbench listen analyse`: analyse, write the report, and say what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.analysis.paragraph import paragraph
from vcbench.listening.analysis.report import write
from vcbench.listening.answers.key import open_key
from vcbench.listening.kinds import SUFFIX


def analyse(
    key: Path,
    results: Sequence[Path],
    bundle: Path | None,
    out: Path | None,
    run: Path | None,
    with_ordinal: bool = False,
) -> str:
    """Analyse, write the report, and return the text to print: notes, warnings, the paragraph, and the paths of the files.

    Args:
        out: by default a folder next to the key, named after the bundle.
        with_ordinal: whether to fit the cumulative-link mixed model too.
        run: the folder of the run that was rated; its leaderboard and report get the ratings.

    Raises:
        ListeningError: the key, bundle, answers and run do not belong together; then nothing is written.
    """
    key = key.resolve()
    out = out or key.with_name(f"{key.name.removesuffix(SUFFIX)}.analysis")
    analysis = analyse_test(open_key(key, bundle), results, with_ordinal)
    wrote = [f"Wrote {out / 'analysis.md'}."]
    if run is None:
        write(analysis, out)
    else:
        from vcbench.listening.analysis.publish import merge, open_rated_run  # importing a run takes seconds

        rated_run = open_rated_run(analysis, run)
        write(analysis, out)
        merge(analysis, rated_run)
        wrote.append(f"Updated {run / 'leaderboard.md'} and {run / 'report.html'}.")
    screened = [
        f"Screened: listener {row.listener}, {row.rule} ({row.found})." for row in analysis.screened.itertuples()
    ]
    caveats = [f"Warning: {caveat}" for caveat in analysis.caveats]
    return "\n".join([*analysis.reading.notes, *screened, *caveats, "", paragraph(analysis), "", *wrote])
