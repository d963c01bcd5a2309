"""AdaIN-VC: an encoder for the content and another for the speaker."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from vcbench.api.settings import TrainingSettings
from vcbench.speech.features.settings import MelSettings

from ..shared.autoencoder import Activation, Autoencoder, AutoencoderConfig
from ..shared.one_shot import OneShotSystem
from .chou_lee import OriginalAutoencoder, OriginalConfig

RECIPES = {
    "2-enc": TrainingSettings(steps=100_000, amsgrad=True, weight_decay=1e-4),
    "original": TrainingSettings(steps=200_000, batch_size=128, amsgrad=True, weight_decay=1e-4, clip=5.0),
}


class AdaINConfig(AutoencoderConfig):
    """Settings of both recipes.

    Attributes:
        recipe: "2-enc", the comparison model of the AGAIN-VC paper (section 4.2), whose sizes are the other fields;
            or "original", Chou and Lee 2019, whose sizes are in `original`.
        training: settings left out take the recipe's values.
    """

    recipe: Literal["2-enc", "original"] = "2-enc"
    activation: Activation = "none"
    original: OriginalConfig = OriginalConfig()

    @model_validator(mode="before")
    @classmethod
    def _complete_training(cls, values: Any) -> Any:
        name = values.get("recipe", "2-enc") if isinstance(values, dict) else None
        recipe = RECIPES.get(name) if isinstance(name, str) else None
        if recipe is None:
            return values
        given = values.get("training", {})
        if isinstance(given, dict):
            # A validator's result is checked as Python, where a list is not a tuple; JSON has only arrays.
            given = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
            given = recipe.model_dump() | given
        return values | {"training": given}


class AdaINVC(OneShotSystem):
    """Two encoders with separate weights, in the AGAIN-VC paper's form or the original's. See README.md."""

    name = "adain_vc"
    summary = (
        "AdaIN-VC (Chou and Lee 2019): separate encoders of content and speaker; the speaker modulates the decoder."
    )
    Config = AdaINConfig

    def __init__(self, config: AdaINConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        if config.recipe == "original":
            self.model = OriginalAutoencoder(config.original, mel.n_mels)
        else:
            self.model = Autoencoder(config, mel.n_mels, encoders=2)
