"""The model card of a pretrained system: data, training, scores, limits, all from the run that trained it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vcbench.api.pretrained import OneShot
from vcbench.api.system import NeuralSystem
from vcbench.base.escape import markdown
from vcbench.base.files import hash_file
from vcbench.base.nouns import counted, verb
from vcbench.base.settings import plain_json
from vcbench.base.state import find_state
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.one_shot import ONE_SHOT
from vcbench.reporting.report.deciding import deciding
from vcbench.reporting.report.facts import assignments
from vcbench.reporting.text import NOT_MEASURED, Marked, markdown_table, number
from vcbench.run.config import named_systems, resolve, system_config
from vcbench.run.run import Run
from vcbench.run.trials import CONDITIONS
from vcbench.stats.scores import LEVEL

BESIDE = ("source", "target")  # reference rows that give a scale, in the one-shot condition


class Rounding(NamedTuple):
    """What 16 bits change: the mean absolute change of a converted mel's log10, over so many conversions."""

    change: float
    conversions: int


def model_card(run: Run, board: Leaderboard, row: str, path: Path, figures: OneShot, rounding: Rounding) -> str:
    """A model card (Mitchell et al. 2019) in Markdown.

    Args:
        row: of the system in the run and its leaderboard.
        path: the file of its weights, as it is exported.
    """
    system = run.load_system(row)
    assert isinstance(system, NeuralSystem)
    manifest = find_state(run.files.manifest) or {}
    lines = [f"# {markdown(system.name)}, pretrained", "", markdown(str(getattr(system, "summary", ""))), ""]
    lines += markdown_table([["", ""], *_facts(system, path, manifest)])
    parts = {
        "Data": _data(run),
        "Training": _training(run, system, row, manifest),
        "Scores": _scores(run, board, row, rounding),
        "Limits": _limits(run, board, row, figures),
    }
    for title, content in parts.items():
        lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def _facts(system: NeuralSystem, path: Path, manifest: dict[str, Any]) -> Iterator[list[str]]:
    size = sum(parameter.numel() for parameter in system.parameters())
    yield ["Parameters", f"{size / 1e6:.2f} million"]
    yield ["Weights", f"{path.name}, 16 bits, {path.stat().st_size / 1e6:.2f} MB, SHA-256 {hash_file(path)[:16]}"]
    yield ["Version of the system", str(system.version)]
    mel = system.mel_settings
    yield ["Mel spectrograms", ", ".join(f"{name} {value:g}" for name, value in mel.model_dump().items())]
    if manifest:
        commit = f", commit {manifest['git_commit'][:12]}" if manifest.get("git_commit") else ""
        yield ["Trained with", f"vcbench {manifest['versions']['vcbench']}{commit}, {manifest['date']}"]


def _data(run: Run) -> Iterator[str]:
    training, mel = run.split.training, run.config.features.mel
    label_of = {one.id: one.corpus for one in run.prepared.split.training}
    for label, corpus in {"": run.corpus, **run.training_only}.items():
        own = [one for one in training if label_of[one.id] == label]
        minutes = sum(one.mel.shape[-1] for one in own) * mel.hop / mel.sampling_rate / 60
        speakers = counted(len({one.speaker for one in own}), "speaker")
        kind = ", which is synthetic speech" if corpus.synthetic else ""
        yield (
            f"{counted(len(own), 'utterance')} ({minutes:.0f} minutes) of {speakers} of the corpus "
            f"{markdown(corpus.label)}{kind}. Licence of the corpus: {markdown(corpus.licence)}"
        )
        yield ""
    unseen = counted(len({one.speaker for one in run.split.unseen}), "speaker")
    yield f"Further {unseen} of {markdown(run.corpus.label)} only for the scores."


def _training(run: Run, system: NeuralSystem, row: str, manifest: dict[str, Any]) -> Iterator[str]:
    recipe, costs = system.config.training, run.efficiency(row)
    yield (
        f"Preset {run.config.preset}: {counted(int(costs['training_steps']), 'step')} of "
        f"{recipe.batch_size} x {counted(recipe.frames, 'frame')}, "
        f"learning rate {recipe.learning_rate:g} ({recipe.schedule}), seed {system.seed}. "
        f"{costs['training_seconds'] / 60:.0f} minutes on {manifest.get('device', 'an unknown device')}."
    )
    if others := list(_other_than_preset(run, system, row)):
        yield f"Other than in the preset: {', '.join(others)}."
    last = json.loads(run.files.training_log(row).read_text().splitlines()[-1])
    losses = ", ".join(f"{name.removeprefix('held_out_')} {last[name]:.3g}" for name in last if "held_out_" in name)
    if losses:
        yield f"Losses on held-out utterances at the end: {losses}."


def _other_than_preset(run: Run, system: NeuralSystem, row: str) -> Iterator[str]:
    """Settings of a row that differ from the preset's of its system, as ``key=value``."""
    known = resolve(run.config.preset)["systems"] | named_systems(run.config.preset) if run.config.preset else {}
    preset = system_config(row, known[system.name]) if system.name in known else None
    if preset is not None:
        before = set(assignments(plain_json(preset)))
        yield from (one for one in assignments(plain_json(system.config)) if one not in before)


def _scores(run: Run, board: Leaderboard, row: str, rounding: Rounding) -> Iterator[str]:
    yield (
        f"Means with {LEVEL:.0%} intervals over the run's trials; the vocoder is {run.config.vocoder.kind}. `source` is the "
        f"unconverted source and `target` the target's own speech, both in {ONE_SHOT}. A condition says which of "
        "source->target were in training."
    )
    yield ""
    beside = [name for name in BESIDE if name in board.references]
    table: list[list[str]] = [["", *CONDITIONS, *(f"{name} ({ONE_SHOT})" for name in beside)]]
    for name in deciding(board).values():
        about = board.columns[name]
        cells = [_cell(board, name, row, condition) for condition in CONDITIONS]
        cells += [_cell(board, name, reference, ONE_SHOT) for reference in beside]
        if any(cell != NOT_MEASURED for cell in cells) and not about.clocked:
            arrow = "" if about.higher_is_better is None else " ↑" if about.higher_is_better else " ↓"
            table.append([f"{about.title}{arrow}", *map(Marked, cells)])
    yield from markdown_table(table)
    yield ""
    yield (
        f"These are of the weights in 32 bits. In 16 bits a converted mel (log10) changes by {rounding.change:.5f} on average, over "
        f"{counted(rounding.conversions, 'one-shot conversion')}."
    )


def _cell(board: Leaderboard, column: str, row: str, condition: str) -> str:
    cells = board.cells[
        (board.cells["column"] == column) & (board.cells["system"] == row) & (board.cells["condition"] == condition)
    ]
    if cells.empty:
        return NOT_MEASURED
    found, about = cells.iloc[0], board.columns[column]
    interval = f" [{number(found['low'], about)}, {number(found['high'], about)}]"
    return f"{number(found['mean'], about)}{'' if math.isnan(found['low']) else interval}"


def _limits(run: Run, board: Leaderboard, row: str, figures: OneShot) -> Iterator[str]:
    if run.corpus.synthetic:
        training = "" if run.training_only else "training and "
        yield f"- All voices of {training}scores are synthetic: the scores say nothing about real voices."
    few = figures.nearer_target
    yield (
        f"- One-shot, {few} of {counted(figures.trials, 'conversion')} {verb(few)} nearer to the target's voice than to the source's."
    )
    columns = deciding(board)
    for role, what in (("words", "words that a recogniser gets wrong"), ("naturalness", "predicted naturalness")):
        if role in columns and "source" in board.references:
            own, source = (_cell(board, columns[role], name, ONE_SHOT) for name in (row, "source"))
            yield f"- {board.columns[columns[role]].title}, {what}: {own}; of the unconverted source {source}."
    yield (
        "- Not measured: other languages than the corpus's, singing, noise, several voices at once, recordings of less than a second."
    )
    yield "- Convert to a voice only if its owner agrees."
