"""Reports of runs in a folder of their own, with all that they play: it opens from disk, wherever it is moved."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from vcbench.base.files import place_errors, write_text
from vcbench.reporting.compare import ComparisonError, compare_runs, write_comparison
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.report.page import template, write_report
from vcbench.reporting.report.style import COLOURS
from vcbench.run.folder import RunError
from vcbench.run.run import Run

PLAYED = (".flac", ".png")  # suffixes of what a report plays and shows
Scored = tuple[Run, Leaderboard]


def write_folder(scored: Mapping[str, Scored], out: Path, single_file: bool = False) -> Path:
    """Write a report for each run, a comparison if there are several that can be compared, and index.html, which is returned.

    Args:
        scored: by the name that a run goes by, which becomes its folder in `out`.

    Raises:
        RunError: `out` would write over a run.
        PlaceError: it cannot be written.
    """
    for name, (run, _) in scored.items():
        if (out / name).resolve() == run.folder.resolve():
            raise RunError(f"{out / name} is the run itself. Choose another --out.")
    for name, (run, board) in scored.items():
        _copy_report(run, write_report(run, board, single_file), out / name, single_file)
    refused = _compare([run for run, _ in scored.values()], out) if len(scored) > 1 else None
    runs = [(name, f"{quote(name)}/report.html", board) for name, (_, board) in scored.items()]
    page = template("index.html.j2").render(colours=COLOURS, runs=runs, refused=refused)
    write_text(out / "index.html", page)
    return out / "index.html"


def _copy_report(run: Run, report: Path, folder: Path, single_file: bool) -> None:
    with place_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(report, folder / run.files.report.name)
        played = [] if single_file else [run.files.clips, *map(run.files.converted, run.rows)]
        for own in filter(Path.is_dir, played):
            there = folder / own.relative_to(run.folder)
            there.mkdir(parents=True, exist_ok=True)
            for path in own.iterdir():
                if path.suffix in PLAYED:
                    shutil.copyfile(path, there / path.name)


def _compare(runs: list[Run], out: Path) -> str:
    """Write the comparison; why there is none, or nothing."""
    try:
        write_comparison(compare_runs([run.folder for run in runs]), out)
    except ComparisonError as error:
        return str(error)
    return ""
