"""Options that several verbs of the command line share, and the console they print to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vcbench.base.errors import UserError
from vcbench.cli import complete

EXIT_FAILURES = 3  # the command went through, but recordings are missing or broken

console = Console()
Preset = Annotated[
    str,
    typer.Option(
        help="Settings to start from: quick (CPU, minutes, offline), standard (CPU, up to an hour per system) or paper.",
        autocompletion=complete.presets,
    ),
]
ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("--config", help="TOML file that overrides the preset, or a run's run.toml, which replaces it."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, e.g. systems.again_vc.hidden=64.", autocompletion=complete.settings),
]
Systems = Annotated[
    str,
    typer.Option(
        help="all, or names separated by commas; ./my_system.py:MySystem loads one from a file.",
        autocompletion=complete.systems,
    ),
]
RunName = Annotated[str | None, typer.Option("--name", help="The run's name; by default the preset's.")]
Root = Annotated[Path, typer.Option("--runs", help="Folder of the runs.")]

CorpusName = Annotated[
    str | None,
    typer.Option("--corpus", help=f"{', '.join(complete.CORPORA[:-1])} or folder.", autocompletion=complete.corpora),
]

CorpusRoot = Annotated[Path | None, typer.Option("--corpus-root", help="Folder of the corpus.")]
TrainAlso = Annotated[
    list[str] | None,
    typer.Option(
        "--train-also",
        help="A further corpus to train on, of which no trial is: NAME=FOLDER, or mini; repeatable.",
    ),
]
Strict = Annotated[bool, typer.Option(help="A metric whose model is not here is an error.")]
Repeated = Annotated[
    Path | None, typer.Option("--from", help="Repeat this run, and say where the table differs from its table.")
]
RunFolder = Annotated[Path, typer.Argument(help="A run's folder, e.g. runs/quick.")]
Pretrained = Annotated[
    bool, typer.Option("--pretrained", help="Score systems that come trained with vcbench, and train nothing.")
]
Download = Annotated[
    bool, typer.Option(help="Download the corpus to --corpus-root first, if it is published for download.")
]


def _trust(allowed: bool) -> bool:
    if allowed:
        from vcbench.run.trust import trust_everything

        trust_everything()
    return allowed


Log = Annotated[
    str | None,
    typer.Option(help="Show training curves in tensorboard (in systems/NAME/tensorboard) or wandb; none turns it off."),
]


AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        callback=_trust,
        help="Run the Python files that the run's settings name. Only if you trust them.",
    ),
]

EngineName = Annotated[
    str | None, typer.Option("--engine", help="Where jobs run: local, or ray for a Ray cluster (docs/cluster.md).")
]
Address = Annotated[str | None, typer.Option(help="The Ray cluster's address, HOST:PORT.")]


def assigned(assignments: list[str] | None, train_also: list[str] | None, **options: str | None) -> list[str]:
    """The assignments of --set, and those of options that are settings too."""
    own = [f"{name}={json.dumps(value)}" for name, value in options.items() if value]
    return [*(assignments or []), *_training_only(train_also or []), *own]


def named_corpora(corpora: list[str]) -> list[tuple[str, Path | None]]:
    """`mini` and `NAME=FOLDER` as names and folders."""
    found = []
    for text in corpora:
        name, _, root = text.partition("=")
        if not name:
            raise UserError(f"{text!r} names no corpus: give a name, or NAME=FOLDER.")
        found.append((name, Path(root).expanduser().resolve() if root else None))
    return found


def _training_only(corpora: list[str]) -> list[str]:
    """The assignment of --train-also; none where it was not given."""
    tables = [
        ", ".join(f"{key}={json.dumps(str(value))}" for key, value in (("name", name), ("root", root)) if value)
        for name, root in named_corpora(corpora)
    ]
    return [f"corpus.training_only=[{', '.join(f'{{{table}}}' for table in tables)}]"] if tables else []


DEFAULTS = {"systems": "all", "preset": "quick", "seeds": 1}


def not_defaults(**given: object) -> list[str]:
    """The options that were given, by the name that they have in the command."""
    return [f"--{name}" for name, value in given.items() if value and value != DEFAULTS.get(name)]


def require_training(pretrained: bool, repeated: Path | None, seeds: int, train_also: list[str] | None) -> None:
    """
    Raises:
        UserError: --pretrained, which trains nothing, with options that train.
    """
    given = {"--from": repeated is not None, "--seeds": seeds > 1, "--train-also": bool(train_also)}
    others = [name for name, there in given.items() if there]
    if pretrained and others:
        raise UserError(f"--pretrained scores what is trained already; leave it out, or {' and '.join(others)}.")
