"""The `study` command."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from vcbench.base.console import say
from vcbench.base.escape import terminal
from vcbench.base.machine import command_line
from vcbench.studies import study
from vcbench.studies.file import names, read
from vcbench.studies.plots import write_plots
from vcbench.studies.record import write_record
from vcbench.studies.run import run_study, shared_folder
from vcbench.studies.tables import foot, header, render
from vcbench.studies.write import write_tables


def describe() -> Table:
    table = Table()
    table.add_column("study", no_wrap=True)
    table.add_column("title")
    table.add_column("source")
    for name in names():
        file = read(name)
        table.add_row(*map(terminal, (name, file.title, file.source)))
    return table


def run(
    name: str,
    preset: str,
    files: list[Path] | None,
    assignments: list[str],
    seeds: int,
    workers: int,
    runs: Path,
    out: Path | None,
    console: Console,
) -> None:
    """Run a study, write its results, and print them."""
    resolved = study.resolve(name, preset, files, assignments, workers)
    folder = out or shared_folder(resolved, runs) / resolved.name
    finished = run_study(resolved, seeds, runs, folder, console)
    write_tables(finished, folder)
    write_plots(finished.results, folder)
    write_record(finished, folder / "study.json", command_line())
    for line in header(finished):
        say(console, line)
    for table in render(finished, console.width):
        console.print(table)
    for line in foot(finished):
        say(console, line)
    say(console, f"Tables and plots: {folder}")
