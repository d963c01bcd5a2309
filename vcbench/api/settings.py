"""Settings of a neural system and of its training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vcbench.base.settings import Strict


class TrainingSettings(Strict):
    """How the training loop runs; each system's defaults are its paper's.

    Attributes:
        frames: length of a training crop, in frames.
        weight_decay: L2 term added to the gradient, as in torch.optim.Adam.
        clip: largest gradient norm.
        schedule: "constant", or "one-cycle" (Smith and Topin 2018) with `learning_rate` as its peak.
        draw: what is drawn uniformly: "utterances", whatever their length, or "frames", so that an utterance is drawn in proportion to
            its length.
        reference_frames: length of the crop of another utterance of the same speaker; 0 where the system needs none.
        varied_recordings: share of the training utterances that are heard under other recording conditions: with reverberation, noise
            and a microphone's colour (`vcbench.speech.conditions`).
        evaluate_every, checkpoint_every: in steps.
    """

    steps: int
    batch_size: int = 32
    frames: int = 128
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: bool = False
    weight_decay: float = 0.0
    clip: float = 3.0
    schedule: Literal["constant", "one-cycle"] = "constant"
    precision: Literal["float32", "bfloat16"] = "float32"
    draw: Literal["utterances", "frames"] = "utterances"
    reference_frames: int = 0
    varied_recordings: float = Field(0.0, ge=0, le=1)
    evaluate_every: int = 200
    checkpoint_every: int = 200


class SystemConfig(Strict):
    """Base of every system's settings: strict, immutable, with a `training` table."""

    training: TrainingSettings

    @property
    def speaker_encoder(self) -> str | None:
        """Name of the pretrained speaker encoder that conditions the system; a metric with the same one does not score it."""
        return None
