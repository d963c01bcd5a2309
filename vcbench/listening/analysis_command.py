"""The verb `listen analyse`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.analysis.paragraph import paragraph
from vcbench.listening.analysis.report import write
from vcbench.listening.answers.key import open_key
from vcbench.listening.kinds import SUFFIX


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
    analysis = analyse_test(open_key(key, bundle), results)
    wrote = [f"Wrote {out / 'analysis.md'}."]
    if run is None:
        write(analysis, out)
    else:
        from vcbench.listening.analysis.publish import merge, open_heard  # here, because a run takes seconds to import

        heard = open_heard(analysis, run)
        write(analysis, out)
        merge(analysis, heard)
        wrote.append(f"Wrote {run / 'leaderboard.md'} and {run / 'report.html'} anew.")
    screened = [
        f"Screened: listener {row.listener}, {row.rule} ({row.found})." for row in analysis.screened.itertuples()
    ]
    doubts = [f"Mind: {doubt}" for doubt in analysis.doubts]
    return "\n".join([*analysis.reading.notes, *screened, *doubts, "", paragraph(analysis), "", *wrote])
