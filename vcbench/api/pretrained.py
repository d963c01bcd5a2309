"""Systems that come trained: `vcbench/pretrained` holds their weights, a model card of each, and an index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, ValidationError

from vcbench.api import registry
from vcbench.api.checkpoint import CheckpointError, read_header
from vcbench.api.system import NeuralSystem
from vcbench.base.errors import UserError, did_you_mean
from vcbench.base.files import hash_file, write_bytes
from vcbench.base.nouns import counted
from vcbench.base.settings import Strict
from vcbench.base.state import read_state, write_state
from vcbench.speech.features.settings import MelSettings

FOLDER = Path(str(resources.files("vcbench.pretrained")))
AGAIN = "Install vcbench again, or export the system again: vcbench pretrained export RUN."


class PretrainedError(UserError):
    """A trained system that does not come with vcbench, or whose files are damaged."""


class Origin(Strict):
    """What weights were trained on, and how; the checkpoint's header has it. `also` has further corpora."""

    corpus: str
    also: tuple[str, ...] = ()
    corpus_version: str | None
    preset: str
    steps: int

    def __str__(self) -> str:
        corpus = f"{self.corpus} (version {self.corpus_version})" if self.corpus_version else self.corpus
        corpora = " and ".join([corpus, *self.also])
        return f"pretrained on {corpora}, preset {self.preset}, {counted(self.steps, 'step')}"


class OneShot(Strict):
    """Figures of the conversions between two speakers that no system was trained on.

    Attributes:
        key: of what the figures depend on besides the system: trials, vocoder, metrics. Others do not compare.
        trials: how many conversions.
        converted_words: share of the words that a recogniser finds in conversions that are nearer to the target's voice than
            to the source's. The best system is the one with the most.
        similarity: mean cosine to the target.
        nearer_target: how many conversions are nearer to the target's voice than to the source's.
        error_rate: share of words that are wrong.
    """

    key: str
    trials: int
    converted_words: float
    similarity: float
    nearer_target: int
    error_rate: float


class Shipped(Strict):
    """What the index says of a system; `sha256` is of its file."""

    sha256: str
    origin: Origin
    one_shot: OneShot


class Index(Strict):
    """The systems of a folder by name; `best` is the one that `vcbench convert` uses if none is named."""

    best: str = ""
    systems: dict[str, Shipped] = Field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The index of a folder; empty if it has none.

        Raises:
            DamagedFile, PretrainedError: it is not what `write` left.
        """
        path = folder / "index.json"
        if not path.is_file():
            return cls()
        try:
            return cls.model_validate(read_state(path, AGAIN), strict=False)
        except ValidationError as error:
            raise PretrainedError(f"{path} does not have the expected form ({error}). {AGAIN}") from error

    def write(self, folder: Path) -> None:
        write_state(folder / "index.json", self.model_dump(mode="json"))

    def require_comparable(self, figures: Mapping[str, OneShot]) -> None:
        """
        Args:
            figures: of systems that are to come in, or to take the place of those of their names.

        Raises:
            PretrainedError: some are of other trials, vocoders or metrics than others, so that no system is the best.
        """
        keys = {name: one.one_shot.key for name, one in self.systems.items()}
        keys |= {name: one.key for name, one in figures.items()}
        others = [name for name in keys if keys[name] != keys[next(iter(figures))]]
        if others:
            raise PretrainedError(
                f"The scores of {', '.join(figures)} and those of {', '.join(others)} are of other trials, vocoders or metrics, "
                "so the best is not known. Export all of them from runs with the same settings; or delete index.json, and export "
                "those that are to stay."
            )

    def including(self, systems: Mapping[str, Shipped]) -> Self:
        """The index with further systems, or some replaced; the best is chosen anew."""
        all_of_them = dict(sorted({**self.systems, **systems}.items()))
        figures = {name: one.one_shot for name, one in all_of_them.items()}
        best = max(figures, key=lambda name: (figures[name].converted_words, figures[name].similarity))
        return self.model_copy(update={"best": best, "systems": all_of_them})


def weights_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def shipped(name: str) -> Shipped:
    """A system that comes trained.

    Raises:
        PretrainedError: there is none of that name.
    """
    systems = Index.read(FOLDER).systems
    if name not in systems:
        raise PretrainedError(f"vcbench comes without a trained {name!r}.{did_you_mean(name, list(systems))}")
    return systems[name]


def best_one_shot() -> str:
    """The name of the system that converts unknown voices best, by the scores of the runs that the systems come from.

    Raises:
        PretrainedError: no system comes trained.
    """
    best = Index.read(FOLDER).best
    if not best:
        raise PretrainedError(
            "This vcbench comes without trained systems. Train one (vcbench run), then name --run and --system; or name a "
            "checkpoint with --checkpoint."
        )
    return best


def load_pretrained(name: str, mel: MelSettings | None = None) -> NeuralSystem:
    """A system that comes trained, on the CPU.

    Raises:
        PretrainedError: there is none of that name, or its file is missing or damaged.
        CheckpointError: another version of the system made it, or it needs other mel spectrograms than `mel`.
    """
    known = shipped(name)
    path = weights_file(FOLDER, name)
    if not path.is_file() or hash_file(path) != known.sha256:
        raise PretrainedError(f"{path} is missing or damaged: it is not the file of the index. {AGAIN}")
    system: NeuralSystem = registry.load("systems", name).load(path, mel)
    return system


def save_rounded(system: NeuralSystem, path: Path, origin: Origin) -> None:
    """Write a checkpoint in 16 bits, half the size, with its origin. `NeuralSystem.load` reads it as any other."""
    from safetensors.torch import save

    state = {
        name: (value.half() if value.dtype == torch.float32 else value).contiguous().cpu()
        for name, value in system.state_dict().items()
    }
    description = system.description() | {"origin": origin.model_dump(mode="json")}
    write_bytes(path, save(state, {"vcbench": json.dumps(description)}))


def read_origin(path: Path) -> Origin:
    """The origin that a checkpoint's header has.

    Raises:
        CheckpointError: it has none.
    """
    description: dict[str, Any] = read_header(path).description
    try:
        return Origin.model_validate(description.get("origin"), strict=False)
    except ValidationError as error:
        raise CheckpointError(f"{path} does not say what it was trained on ({error}). {AGAIN}") from error
