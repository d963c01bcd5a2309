"""Training curves in TensorBoard or Weights & Biases: the rows of `train.jsonl`, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from vcbench.base.errors import UserError
from vcbench.base.files import hash_json

Tracker = Literal["none", "tensorboard", "wandb"]
Track = Callable[[Mapping[str, float]], None]
PROJECT = "vcbench"  # of Weights & Biases


def require_tracker(kind: Tracker) -> None:
    """
    Raises:
        UserError: its package is not installed.
    """
    if kind != "none" and find_spec(kind) is None:
        raise UserError(
            f'log = "{kind}" needs the package {kind}, which is not installed. Install it with: pip install {kind}. '
            "Or leave out --log: train.jsonl has the same numbers."
        )


@contextmanager
def tracking(kind: Tracker, folder: Path, name: str, settings: Mapping[str, Any]) -> Iterator[Track]:
    """Yield what takes a training's rows in order; a training that resumes gives its earlier rows again first.

    Args:
        folder: of the training; what is written lies in it, under the tracker's name.
        name: of the training, in Weights & Biases.
        settings: of the training, shown by Weights & Biases.

    Raises:
        UserError: the tracker's package is not installed.
    """
    require_tracker(kind)
    if kind == "tensorboard":
        with _tensorboard(folder / kind) as track:
            yield track
    elif kind == "wandb":
        with _wandb(folder, name, settings) as track:
            yield track
    else:
        yield lambda row: None


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Track]:
    from torch.utils.tensorboard import SummaryWriter

    def track(row: Mapping[str, float]) -> None:
        for key, value in row.items():
            if key != "step":
                writer.add_scalar(key, value, int(row["step"]))
        writer.flush()

    # The earlier rows come again, so those that an interrupted training wrote are void: `purge_step` says so.
    with SummaryWriter(str(folder), purge_step=0) as writer:
        yield track


@contextmanager
def _wandb(folder: Path, name: str, settings: Mapping[str, Any]) -> Iterator[Track]:
    import wandb

    identity = hash_json([str(folder.resolve()), name])[:16]  # the same when the training resumes
    folder.mkdir(parents=True, exist_ok=True)
    with wandb.init(
        project=PROJECT, name=name, id=identity, resume="allow", dir=folder, config=dict(settings)
    ) as session:
        known = session.step  # the first step that the server does not have

        def track(row: Mapping[str, float]) -> None:
            step = int(row["step"])
            if step >= known:
                session.log({key: value for key, value in row.items() if key != "step"}, step=step)

        yield track
