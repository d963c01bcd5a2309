"""AutoVC: an autoencoder whose narrow code has no room for the speaker, who is given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vcbench.api.batch import Batch, pad
from vcbench.api.system import NeuralSystem
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker, Utterance

from ..shared.mel_flow.speaker import GE2E_CHANNELS, ge2e_embedding, ge2e_table
from ..shared.one_shot import evaluating, first_recording, frames_first, mel_of
from .model import AutoVCConfig, AutoVCModel, scale
from .reference_model import ReferenceAutoVC


class AutoVC(NeuralSystem):
    """See README.md. In training a speaker's embedding is the mean of several recordings; in conversion it is that of one."""

    name = "autovc"
    summary = "AutoVC (Qian et al. 2019): a narrow bottleneck keeps the speaker out; GE2E embeddings give the speaker."
    Config = AutoVCConfig

    def __init__(self, config: AutoVCConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        self.model = AutoVCModel(config, mel.n_mels)
        # By `training`: a row per speaker of the training and of the held-out batches; before a training, of one speaker.
        self.tables: dict[bool, Tensor] = dict.fromkeys((True, False), torch.zeros(1, GE2E_CHANNELS))

    @classmethod
    def reference_model(cls, config: AutoVCConfig, n_mels: int) -> ReferenceAutoVC:
        return ReferenceAutoVC(config, n_mels)

    def before_training(self, training: Sequence[Utterance], held_out: Sequence[Utterance]) -> None:
        self.tables[True] = normalize(ge2e_table(training), dim=-1)
        if held_out:
            self.tables[False] = normalize(ge2e_table(held_out), dim=-1)

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor, batch: Batch) -> None:
        self.model.initialise(mel_mean)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        mel, mask = frames_first(batch.mel, batch.mask, batch.whole)
        return self.model.loss(mel, self.tables[self.training].to(mel.device)[batch.speaker], mask)

    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        """Converted mels (n_mels, frames); the first recording of each target is its reference.

        Raises:
            ValueError: an utterance has no frames, or a target no recording.
            ModelUnavailable: the speaker encoder is not on this machine.
        """
        mels = [mel_of(source, self.mel_settings.n_mels) for source in sources]
        references = [first_recording(target) for target in targets]
        mel, mask = frames_first(*pad(mels, self.device))
        with evaluating(self):
            converted = self.model.convert(mel, self.embed(sources, mel), self.embed(references, mel), mask)
        return [
            result[:, : mel.shape[-1]].contiguous()
            for result, mel in zip(converted.permute(1, 2, 0), mels, strict=True)
        ]

    def embed(self, utterances: Sequence[Utterance], like: Tensor) -> Tensor:
        """(utterances, 256) of length one, on the device and in the precision of `like`."""
        return normalize(torch.stack([ge2e_embedding([utterance]) for utterance in utterances]), dim=-1).to(like)

    def latents(self, utterance: Utterance) -> dict[str, Tensor]:
        """ "content" (2 * bottleneck, windows), the codes; "speaker" (256,)."""
        mel, _ = frames_first(*pad([mel_of(utterance, self.mel_settings.n_mels)], self.device))
        with evaluating(self):
            speaker = self.embed([utterance], mel)
            codes, _ = self.model.encoder(scale(mel), speaker, None)
        return {"content": codes[:, 0].t().contiguous(), "speaker": speaker[0]}
