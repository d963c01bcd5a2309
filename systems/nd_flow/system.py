"""ND-Flow: a flow trained to reconstruct from samples of the prior, without likelihood or encoding."""

from __future__ import annotations

from vcbench.speech.features.settings import MelSettings

from ..shared.mel_flow.settings import SamplingConfig
from ..shared.mel_flow.system import MelFlow


class NDFlow(MelFlow):
    """AE-Flow with lambda 1. See README.md."""

    name = "nd_flow"
    summary = (
        "ND-Flow (Mosiński et al. 2023): the same flow, trained only to reconstruct speech from samples of the prior."
    )
    Config = SamplingConfig
    reconstruction_weight = 1.0
    skip_encoding = True

    def __init__(self, config: SamplingConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        self.reconstruction_loss = config.reconstruction_loss
