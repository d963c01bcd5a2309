"""VQVC+: codes are the content, and the speaker is what quantisation leaves over."""

from __future__ import annotations

from vcbench.speech.features.settings import MelSettings

from ..shared.one_shot import OneShotSystem
from .model import VQVCConfig, VQVCModel
from .reference_model import ReferenceVQVC


class VQVC(OneShotSystem):
    """The U-net of quantised layers. See README.md."""

    name = "vqvc"
    summary = (
        "VQVC+ (Wu et al. 2020): a U-net of vector-quantised layers; the speaker is what quantisation leaves over."
    )
    Config = VQVCConfig

    def __init__(self, config: VQVCConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        self.model = VQVCModel(config, mel.n_mels)

    @classmethod
    def reference_model(cls, config: VQVCConfig, n_mels: int) -> ReferenceVQVC:
        return ReferenceVQVC(config, n_mels)
