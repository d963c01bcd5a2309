"""Vocoders: from mel spectrograms to waves."""

from __future__ import annotations

import torch

from vcbench.base.files import hash_file
from vcbench.base.nouns import counted
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.vocoders.griffin_lim import GriffinLim
from vcbench.speech.vocoders.hifigan import HifiGan
from vcbench.speech.vocoders.melgan import MelGan
from vcbench.speech.vocoders.source_filter.vocoder import SHIPPED, SourceFilter, read_mel, read_record
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


def fitting(mel: MelSettings) -> VocoderSettings:
    """The best vocoder that needs no download: the one that comes with vcbench if it knows these mels, else Griffin-Lim."""
    return VocoderSettings(kind="source-filter" if read_mel(SHIPPED) == mel else "griffin-lim")


def weights_hashes(settings: VocoderSettings) -> list[str]:
    """Hashes of the files that a vocoder's weights are in; none for Griffin-Lim, and for a hub's, which are pinned."""
    path = SHIPPED if settings.kind == "source-filter" and settings.path is None else settings.path
    if path is None or not path.exists():
        return []
    return [hash_file(file) for file in (sorted(path.iterdir()) if path.is_dir() else [path]) if file.is_file()]


def vocoder_note(settings: VocoderSettings) -> str:
    """A line for the foot of a table: which vocoder, which weights, and what these were trained on."""
    if settings.kind == "griffin-lim":
        return f"Vocoder: Griffin-Lim, {counted(settings.iterations, 'iteration')}."
    hashes = "".join(f", SHA-256 {digest[:12]}" for digest in weights_hashes(settings))
    if settings.kind != "source-filter":
        return f"Vocoder: {settings.kind}{hashes}."
    record = read_record(settings.path or SHIPPED)
    corpora = " and ".join(corpus["name"] for corpus in record.get("corpora", []))
    return f"Vocoder: source-filter{hashes}, trained on {corpora} ({counted(record.get('steps', 0), 'step')})."
