"""From a run to the systems that come trained: weights in 16 bits, a model card, and the index that names the best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from vcbench.api import registry
from vcbench.api.pretrained import Index, OneShot, Origin, Shipped, save_rounded, weights_file
from vcbench.api.system import NeuralSystem
from vcbench.base.errors import did_you_mean
from vcbench.base.files import hash_file, write_text
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.model_card import Rounding, model_card
from vcbench.reporting.one_shot import ONE_SHOT, one_shot
from vcbench.reporting.publish import tabulate, unscored
from vcbench.run.config import pretrained_rows
from vcbench.run.folder import RunError
from vcbench.run.run import Run

MEASURED = 8  # one-shot conversions that show what rounding changes
LARGEST_CHANGE = 0.05  # of a mel's log10 by rounding, as a mean; systems reconstruct with an error of 0.2 and more


def export(run: Run, names: Sequence[str], folder: Path) -> Index:
    """Write systems of a scored run to `folder`, and its index; returns that.

    Args:
        names: rows of the run; without any, all of its systems.

    Raises:
        RunError: no such row, or one that was not trained in the run by an installed system, or is not scored.
        PretrainedError: the scores do not compare with those of the other systems in the folder.
    """
    board, index = tabulate(run, unscored(run)), Index.read(folder)
    rows = {_trained(run, row).name: row for row in names or run.systems}
    figures = {name: one_shot(run, board, row) for name, row in rows.items()}
    index.require_comparable(figures)
    systems = {name: _export_row(run, board, row, folder, figures[name]) for name, row in rows.items()}
    index = index.including(systems)
    index.write(folder)
    return index


def _trained(run: Run, row: str) -> NeuralSystem:
    """The system of a row that the run trained, and that is installed.

    Raises:
        RunError: it is not.
    """
    if row not in run.systems:
        raise RunError(f"{run.folder} has no system {row!r}.{did_you_mean(row, run.systems)}")
    system = run.load_system(row)
    if not isinstance(system, NeuralSystem) or system.name not in registry.names("systems"):
        raise RunError(
            f"{row} of {run.folder} is not an installed system that vcbench trains; leave it out with --system."
        )
    if row in pretrained_rows(run.config):
        raise RunError(f"{row} was not trained in {run.folder}: its weights came with vcbench.")
    return system


def _export_row(run: Run, board: Leaderboard, row: str, folder: Path, figures: OneShot) -> Shipped:
    system = _trained(run, row)
    path = weights_file(folder, system.name)
    steps = int(run.efficiency(row)["training_steps"])
    origin = Origin(
        corpus=run.corpus.name,
        also=tuple(corpus.label for corpus in run.training_only.values()),
        corpus_version=run.corpus.version,
        preset=run.config.preset,
        steps=steps,
    )
    save_rounded(system, path, origin)
    rounding = _rounding(run, system, path)
    if rounding.change > LARGEST_CHANGE:
        raise RunError(
            f"Weights of {row} in 16 bits change a mel by {rounding.change:.3f} on average; at most {LARGEST_CHANGE} is allowed. "
            "Its weights are too large or too small for 16 bits: train it with another seed or a lower rate."
        )
    write_text(folder / f"{system.name}.md", model_card(run, board, row, path, figures, rounding))
    return Shipped(sha256=hash_file(path), origin=origin, one_shot=figures)


@torch.inference_mode()
def _rounding(run: Run, system: NeuralSystem, path: Path) -> Rounding:
    """What 16 bits change in the first one-shot conversions of a run."""
    trials = list(run.trials[run.trials["condition"] == ONE_SHOT].head(MEASURED).itertuples())
    sources, targets = [run.utterance(trial.source) for trial in trials], [run.target(trial) for trial in trials]
    rounded = type(system).load(path).to(system.device)
    pairs = zip(system.convert_batch(sources, targets), rounded.convert_batch(sources, targets), strict=True)
    changes = [float((exact - other).abs().mean()) for exact, other in pairs]
    return Rounding(sum(changes) / len(changes), len(changes))
