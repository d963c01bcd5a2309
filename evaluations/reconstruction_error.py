"""Mel reconstruction error: how well a system reproduces an utterance that it converts to the same speaker.

Each utterance is converted with itself as the target's only recording, and compared with its own mel: mean absolute
difference of log10 magnitudes over frames and bands (the L1 of the AGAIN-VC paper, equation 1); the best value is 0. For the
autoencoders this is the paper's reconstruction. For the flows it is a conversion to the source's own voice: exact up to rounding
where they encode the source, but not where they sample the prior. No utterance was used in training; the condition `seen` has
training speakers, `unseen` other speakers. A system that declares `exact_inverse` gets the value that its structure
gives, which says nothing about what it learned: its scores say so, and are not ranked.

Systems that produce waves have no row. A failed reconstruction counts in `reconstruction_failed` and has no error.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from vcbench.api.metric import SystemMetric
from vcbench.api.scores import BY_CONSTRUCTION, Column, Score, constructed
from vcbench.api.system import NeuralSystem
from vcbench.speech.utterance import Speaker, Utterance

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from vcbench.api.metric import RunView

BATCH = 8  # utterances; the batch does not affect the result


class ReconstructionError(SystemMetric):
    """Mel reconstruction error. Args: `utterances`, the maximum per condition; `seed`, which selects them."""

    name = "reconstruction_error"
    summary = "Measures how exactly a system gives back an utterance that it converts to its own speaker."
    columns: ClassVar[dict[str, Column]] = {
        "reconstruction_error": Column("Mel reconstruction error (log10)", False, 3, detail="bands", constructed=True),
        "reconstruction_failed": Column("Reconstructions that failed (%)", False, 1, percent=True, main=False),
    }
    version = 2

    def __init__(self, utterances: int = 32, seed: int = 0) -> None:
        if utterances < 1:
            raise ValueError(f"utterances is {utterances}; at least 1 is needed.")
        self._utterances = utterances
        self._seed = seed

    def settings(self) -> dict[str, Any]:
        return {"distance": "L1 of log10 mel", "utterances per condition": self._utterances, "seed": self._seed}

    def measure(self, system: NeuralSystem, row: str, run: RunView) -> list[Score]:
        scores: list[Score] = []
        if system.produces == "mel":
            for condition, utterances in (("seen", run.split.held_out), ("unseen", run.split.unseen)):
                scores += _score(system, row, condition, self._draw(utterances))
        return scores

    def remarks(self, scores: pd.DataFrame) -> list[tuple[tuple[str, ...], str]]:
        """Name the systems whose error is none of their doing."""
        exact = constructed(scores)
        if not exact:
            return []
        text = (
            f"{' and '.join(exact)}: exact by construction: the source is encoded by an invertible network and decoded with the "
            "same voice, so that only rounding is left. The value says nothing about conversion and has no rank."
        )
        return [(("reconstruction_error",), text)]

    def _draw(self, utterances: Sequence[Utterance]) -> list[Utterance]:
        ordered = sorted(utterances, key=lambda utterance: utterance.id)
        return random.Random(self._seed).sample(ordered, min(self._utterances, len(ordered)))


def _score(system: NeuralSystem, row: str, condition: str, utterances: Sequence[Utterance]) -> list[Score]:
    scores = []
    for begin in range(0, len(utterances), BATCH):
        batch = utterances[begin : begin + BATCH]
        for utterance, mel in zip(batch, _reconstruct(system, batch), strict=True):
            where: dict[str, Any] = {
                "system": row,
                "trial": utterance.id,
                "condition": condition,
                "source_speaker": utterance.speaker,
            }
            if isinstance(mel, str):
                scores.append(Score(column="reconstruction_failed", value=1.0, detail={"error": mel}, **where))
                continue
            bands = (mel - utterance.mel).abs().mean(1)
            detail: dict[str, Any] = {"bands": [round(value, 4) for value in bands.tolist()]}
            if system.exact_inverse:
                detail[BY_CONSTRUCTION] = True
            scores.append(Score(column="reconstruction_error", value=float(bands.mean()), detail=detail, **where))
            scores.append(Score(column="reconstruction_failed", value=0.0, **where))
    return scores


@torch.inference_mode()
def _reconstruct(system: NeuralSystem, utterances: Sequence[Utterance]) -> list[Tensor | str]:
    """Mels (n_mels, frames), or the error message. A batch that fails is tried one by one."""
    try:
        mels = system.convert_batch(utterances, [Speaker(one.speaker, (one,)) for one in utterances])
    except Exception as error:
        if len(utterances) == 1:
            return [f"{type(error).__name__}: {error}"]
        return [mel for utterance in utterances for mel in _reconstruct(system, [utterance])]
    return [_checked(mel.cpu(), utterance) for mel, utterance in zip(mels, utterances, strict=True)]


def _checked(mel: Tensor, utterance: Utterance) -> Tensor | str:
    if mel.shape != utterance.mel.shape:
        return f"the mel has the shape {tuple(mel.shape)}, the utterance's {tuple(utterance.mel.shape)}"
    return mel if bool(torch.isfinite(mel).all()) else "the mel has values that are not finite"
