"""Converting recordings with a trained system, and importing published checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vcbench.base.console import say
from vcbench.base.errors import UserError
from vcbench.base.nouns import counted
from vcbench.cli import complete
from vcbench.cli.options import EXIT_FAILURES, AllowCode, console

if TYPE_CHECKING:
    from vcbench.stages.convert_files import Converter

app = typer.Typer()


Recordings = Annotated[
    list[Path],
    typer.Argument(
        help="With -o: the recording to convert, then more recordings of the target. With --out-dir: recordings to convert, "
        "or folders of them.",
    ),
]


@app.command()
def convert(
    recordings: Recordings,
    target: Annotated[list[Path], typer.Option("--target", help="Recording of the target voice; repeatable.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="FLAC or WAV file to write.")] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out-dir", help="Instead of -o: folder for a FLAC file of each recording.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            help="A system that comes trained, by default the best of them; with --run, one of the run.",
            autocompletion=complete.system,
        ),
    ] = None,
    folder: Annotated[Path | None, typer.Option("--run", help="A run that trained the system.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Instead of --run and --system: a checkpoint.safetensors, e.g. an imported one.")
    ] = None,
    allow_code: AllowCode = False,
) -> None:
    """Convert any recording to any voice: SOURCE.wav --target REF.wav [REF2.wav ...] -o OUT.wav.

    Many at once: SOURCE.wav SOURCE2.wav FOLDER --target REF.wav [--target REF2.wav] --out-dir OUT.

    The system is one that comes trained with vcbench (`vcbench pretrained list`), or one of a run, with the run's vocoder
    (--run, --system), or that of a checkpoint.
    """
    from vcbench.stages.convert_files import convert_files, open_converter, planned

    if (output is None) == (out_dir is None):
        raise UserError("Name either -o FILE, for one recording, or --out-dir FOLDER, for any number of them.")
    if output:
        convert_files(open_converter(folder, system, checkpoint), recordings[0], [*target, *recordings[1:]], output)
        say(console, f"Wrote {output}")
    elif out_dir:
        plan = planned(recordings, target, out_dir)
        convert_all(open_converter(folder, system, checkpoint), plan, target)


def convert_all(converter: Converter, plan: Mapping[Path, Path], targets: Sequence[Path]) -> None:
    """Convert every recording of a plan; what cannot be converted is named, and the exit code is then 3."""
    from vcbench.stages.convert_files import convert_files

    failed = 0
    for source, path in plan.items():
        try:
            convert_files(converter, source, targets, path)
            say(console, f"Wrote {path}")
        except UserError as error:
            failed += 1
            say(console, (f"{source}:", "red"), f" {error}")
    say(console, f"{counted(len(plan) - failed, 'recording')} converted, {failed} failed.")
    if failed:
        raise typer.Exit(EXIT_FAILURES)


@app.command("import")
def import_checkpoint(
    system: Annotated[
        str,
        typer.Argument(
            help="The system of the published checkpoint, e.g. again-vc.", autocompletion=complete.importers
        ),
    ],
    file: Annotated[Path, typer.Argument(help="The published checkpoint.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write checkpoint.safetensors to.")],
    activation: Annotated[
        str | None, typer.Option(help="The activation it was trained with, which the file does not record: sigmoid.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="The sigmoid's factor; 0.1 by default.")] = None,
    gru_over_time: Annotated[
        bool,
        typer.Option(help="Run the GRU over time; the published weights were trained with it running over the batch."),
    ] = False,
) -> None:
    """Convert a checkpoint of a system's published code to vcbench's format, without running code from the file.

    Use the result with `vcbench convert SOURCE.wav --checkpoint DIR/checkpoint.safetensors --target REF.wav -o OUT.wav`.
    """
    from vcbench.stages.import_checkpoint import import_checkpoint

    settings = {"activation": activation, "alpha": alpha, "gru_over_batch": False if gru_over_time else None}
    say(console, f"Wrote {import_checkpoint(system, file, output, settings)}")
