"""The verb `listen analyse`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcbench.listening import analysis_report, analysis_run
from vcbench.listening.key import SUFFIX, open_key
from vcbench.listening.paragraph import paragraph


def analyse(key: Path, results: Sequence[Path], bundle: Path | None, out: Path | None, run: Path | None) -> str:
    """Analyse, write, and return what to print: notes, doubts, the paragraph, and where the files are.

    Args:
        out: by default a folder beside the key, named after the bundle.
        run: the folder of the run that was heard, whose leaderboard and report get the answers.

    Raises:
        ListeningError: a key, bundle, answers or run that do not go together; then nothing is written.
    """
    key = key.resolve()
    out = out or key.with_name(f"{key.name.removesuffix(SUFFIX)}.analysis")
    analysis = analysis_run.analyse_test(open_key(key, bundle), results)
    wrote = [f"Wrote {out / 'analysis.md'}."]
    if run is None:
        analysis_report.write(analysis, out)
    else:
        from vcbench.listening import merging  # here, because a run takes seconds to import

        heard = merging.open_heard(analysis, run)
        analysis_report.write(analysis, out)
        merging.merge(analysis, heard)
        wrote.append(f"Wrote {run / 'leaderboard.md'} and {run / 'report.html'} anew.")
    screened = [
        f"Screened: listener {row.listener}, {row.rule} ({row.found})." for row in analysis.screened.itertuples()
    ]
    doubts = [f"Mind: {doubt}" for doubt in analysis.doubts]
    return "\n".join([*analysis.reading.notes, *screened, *doubts, "", paragraph(analysis), "", *wrote])
