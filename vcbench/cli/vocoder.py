"""`vcbench vocoder`: train a vocoder, and compare vocoders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vcbench.base.console import say
from vcbench.base.nouns import counted
from vcbench.base.progress import stage
from vcbench.cli.options import Assignments, console, named_corpora

app = typer.Typer(help="Train a vocoder for your mel spectrograms, and compare vocoders.", no_args_is_help=True)

Corpora = Annotated[
    list[str],
    typer.Option("--corpus", help="mini, or NAME=FOLDER, e.g. vctk=data/VCTK or folder=my/speech; repeatable."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


@app.command("train")
def train(
    out: Annotated[Path, typer.Option(help="Folder of the training; the result is its vocoder.safetensors.")],
    corpora: Corpora = ["mini"],  # noqa: B006
    start: Annotated[
        Path | None, typer.Option(help="A vocoder's file to begin with, instead of random weights.")
    ] = None,
    assignments: Assignments = None,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes for the analysis; 0: one per core.")] = 0,
) -> None:
    """Train the source-filter vocoder on recordings; the same command goes on after an interruption.

    Use it with `--set vocoder.kind=source-filter --set vocoder.path=OUT/vocoder.safetensors`. Other mel spectrograms:
    `--set mel.hop=200`; shorter: `--set vocoder.training.steps=2000`. On one core, 8000 steps take an hour.
    """
    from vcbench.base.jobs import LocalEngine
    from vcbench.base.machine import pick_device
    from vcbench.base.settings import lay_over, plain_json, validate
    from vcbench.stages.train_vocoder import VocoderRecipe, train_vocoder

    recipe = validate(VocoderRecipe, lay_over(plain_json(VocoderRecipe()), None, assignments), "")
    times: dict[str, float] = {}
    with stage("train vocoder", times, console) as progress:
        path = train_vocoder(
            named_corpora(corpora),
            recipe,
            out,
            start,
            pick_device(device),
            LocalEngine(workers or len(os.sched_getaffinity(0))),
            progress,
        )
    say(console, f"Wrote {path}")


@app.command("compare")
def compare(
    out: Annotated[Path, typer.Option(help="Folder for the recordings and their table.")],
    vocoders: Annotated[
        list[str],
        typer.Option("--vocoder", help="griffin-lim, source-filter, or NAME=FILE of a trained one; repeatable."),
    ] = ["griffin-lim", "source-filter"],  # noqa: B006
    corpora: Corpora = ["mini"],  # noqa: B006
    recordings: Annotated[int, typer.Option(min=1, help="Recordings of each corpus, spread over its speakers.")] = 40,
    device: Device = "auto",
) -> None:
    """Recordings through vocoders and back: speed and spectral distance here, the rest with `vcbench score OUT/table.csv`.

    Recordings that a vocoder may have been trained on are left out where the corpus says which.
    """
    from rich.table import Table

    from vcbench.base.machine import cache_root, pick_device
    from vcbench.speech.features.store import FeatureStore
    from vcbench.stages.vocode import TABLE, chosen, parsed, vocode

    store = FeatureStore(cache_root() / "features")
    utterances = [one for name, root in named_corpora(corpora) for one in chosen(name, root, recordings, store)]
    times: dict[str, float] = {}
    with stage("vocode", times, console) as progress:
        rows = vocode(
            utterances, parsed(vocoders), store, out, pick_device(device),
            lambda done, total, note="": progress("recordings", done, total, note),
        )  # fmt: skip
    table = Table("vocoder", "real-time factor", "spectral distance (nepers)")
    for name, factor, distance in rows:
        table.add_row(name, f"{factor:.4f}", f"{distance:.3f}")
    console.print(table)
    say(
        console,
        f"{counted(len(utterances), 'recording')}. Score them: vcbench score {out / TABLE} --out {out / 'scores'}",
    )
