"""AGAIN-VC: one encoder for content and speaker, with activation guidance."""

from __future__ import annotations

from vcbench.api.settings import TrainingSettings
from vcbench.speech.features.settings import MelSettings

from ..shared.autoencoder import Autoencoder, AutoencoderConfig
from ..shared.one_shot import OneShotSystem
from .reference_model import ReferenceAgainVC


class AgainConfig(AutoencoderConfig):
    """The recipe of section 3.2, with clipping, amsgrad and weight decay from the published configuration."""

    training: TrainingSettings = TrainingSettings(steps=100_000, amsgrad=True, weight_decay=1e-4)


class AgainVC(OneShotSystem):
    """The proposed model of the AGAIN-VC paper, 1-Enc. See README.md."""

    name = "again_vc"
    summary = (
        "AGAIN-VC (Chen et al. 2021): one encoder for content and speaker; a narrow activation keeps the speaker out."
    )
    Config = AgainConfig

    def __init__(self, config: AgainConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        self.model = Autoencoder(config, mel.n_mels, encoders=1)

    @classmethod
    def reference_model(cls, config: AgainConfig, n_mels: int) -> ReferenceAgainVC:
        return ReferenceAgainVC(config, n_mels)
