"""Vocoders: from mel spectrograms to waves."""

from __future__ import annotations

import torch

from vcbench.speech.features.settings import MelSettings
from vcbench.speech.vocoders.griffin_lim import GriffinLim
from vcbench.speech.vocoders.hifigan import HifiGan
from vcbench.speech.vocoders.melgan import MelGan
from vcbench.speech.vocoders.source_filter.vocoder import SourceFilter
from vcbench.speech.vocoders.vocoder import Vocoder, VocoderSettings


def load_vocoder(settings: VocoderSettings, mel: MelSettings, device: torch.device | str) -> Vocoder:
    """A vocoder on `device`.

    Raises:
        VocoderError: its weights are not on this machine (the message has the command that gets them), cannot be read,
            or need other mel spectrograms than `mel`.
    """
    if settings.kind == "griffin-lim":
        return GriffinLim(settings, mel)
    if settings.kind == "source-filter":
        return SourceFilter(settings.path, mel, torch.device(device))
    if settings.kind == "hifigan":
        return HifiGan(settings.path, mel, torch.device(device))
    return MelGan(settings.path, mel, torch.device(device))
