"""AE-Flow: likelihood and reconstruction from samples of the prior."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from vcbench.speech.features.settings import MelSettings

from ..shared.mel_flow.settings import SamplingConfig
from ..shared.mel_flow.system import MelFlow


class AEFlowConfig(SamplingConfig):
    """
    Attributes:
        lambda_: weight of the reconstruction, written ``lambda`` in TOML (``lambda_`` is accepted too); 0 trains like FlowVC,
            1 like ND-Flow.
        skip_encoding: convert by decoding a sample of the prior; otherwise encode the source first.
    """

    model_config = ConfigDict(populate_by_name=True)

    lambda_: float = Field(0.9, ge=0, le=1, alias="lambda")
    skip_encoding: bool = True


class AEFlow(MelFlow):
    """A flow trained with (1 - lambda) NLL + lambda reconstruction. See README.md."""

    name = "ae_flow"
    summary = (
        "AE-Flow (Mosiński et al. 2023): a conditioned normalizing flow trained by likelihood and by reconstruction."
    )
    Config = AEFlowConfig

    def __init__(self, config: AEFlowConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        self.reconstruction_weight = config.lambda_
        self.reconstruction_loss = config.reconstruction_loss
        self.skip_encoding = config.skip_encoding
