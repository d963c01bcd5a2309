"""The verb `listen analyse`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcbench.listening import analysis_report, analysis_run, predicted
from vcbench.listening.key import SUFFIX, open_key
from vcbench.listening.paragraph import paragraph


def analyse(key: Path, results: Sequence[Path], bundle: Path | None, out: Path | None, run: Path | None) -> str:
    """Analyse, write, and return what to print: notes, doubts, the paragraph, and where the files are.

    Args:
        out: by default a folder beside the key, named after the bundle.
        run: a run's folder, whose leaderboard is set beside the answers.

    Raises:
        ListeningError: a key, bundle, answers or run that do not go together; then nothing is written.
    """
    key = key.resolve()
    out = out or key.with_name(f"{key.name.removesuffix(SUFFIX)}.analysis")
    analysis = analysis_run.run(open_key(key, bundle), results)
    if run is not None:
        predicted.merge(analysis, run)
    analysis_report.write(analysis, out)
    screened = [
        f"Screened: listener {row.listener}, {row.rule} ({row.found})." for row in analysis.screened.itertuples()
    ]
    doubts = [f"Mind: {doubt}" for doubt in analysis.doubts]
    lines = [*analysis.reading.notes, *screened, *doubts, "", paragraph(analysis), "", f"Wrote {out / 'analysis.md'}."]
    return "\n".join([*lines, *([f"Wrote {run / 'listening.md'}."] if run is not None else [])])
