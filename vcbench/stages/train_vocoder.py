"""Training a vocoder on recordings: which, how, and the file that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vcbench.base.jobs import Engine, Progress
from vcbench.base.machine import cache_root
from vcbench.base.settings import Strict, plain_json
from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.check import check_corpus
from vcbench.speech.features.prepare import prepare_features
from vcbench.speech.features.settings import MelSettings, PitchSettings
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Corpus, Utterance
from vcbench.speech.vocoders.source_filter.vocoder import read_weights, write_weights
from vcbench.training.loop import fit
from vcbench.training.vocoder import VocoderConfig, VocoderTraining, VoiceSampler

HELD_OUT = 40  # of so many recordings, one is kept out of training to watch the loss
FILE = "vocoder.safetensors"


class VocoderRecipe(Strict):
    """Everything that decides a vocoder but its recordings."""

    seed: int = 0
    mel: MelSettings = MelSettings()
    pitch: PitchSettings = PitchSettings()
    vocoder: VocoderConfig = VocoderConfig()


@dataclass(frozen=True)
class Recordings:
    """What a vocoder is trained on, what watches it, and a line about each corpus."""

    training: list[Utterance]
    held_out: list[Utterance]
    corpora: list[dict[str, Any]]


def read_corpora(named: Sequence[tuple[str, Path | None]], store: FeatureStore, workers: int) -> Recordings:
    """Every usable recording of these corpora that the corpus itself does not keep from training."""
    found = Recordings([], [], [])
    for name, root in named:
        corpus = check_corpus(load_corpus(name, root), workers, None, cache_root() / "checked.json").corpus
        own = _for_training(corpus, store)
        watching = set(range(HELD_OUT - 1, len(own), HELD_OUT)) or {len(own) - 1}
        found.training.extend(one for index, one in enumerate(own) if index not in watching)
        found.held_out.extend(own[index] for index in sorted(watching))
        found.corpora.append(
            {
                "name": corpus.label,
                "licence": corpus.licence,
                "speakers": len({one.speaker for one in own}),
                "recordings": len(own),
            }
        )
    return found


def _for_training(corpus: Corpus, store: FeatureStore) -> list[Utterance]:
    return [
        utterance.with_features(store)
        for speaker in corpus.speakers
        if speaker.seen is not False
        for utterance in speaker.utterances
        if not utterance.held_out
    ]


def train_vocoder(
    named: Sequence[tuple[str, Path | None]],
    recipe: VocoderRecipe,
    folder: Path,
    start: Path | None,
    device: torch.device,
    engine: Engine,
    progress: Progress,
) -> Path:
    """Train a vocoder, from the folder's last checkpoint if there is one, and write its file.

    Args:
        named: corpora by name and folder.
        start: a vocoder's file whose weights are where training begins.

    Raises:
        UserError: no usable recording, or `start` is of another size or other mels.
    """
    store = FeatureStore(cache_root() / "features", recipe.mel, recipe.pitch)
    recordings = read_corpora(named, store, engine.slots)
    crops, watching = _samplers(recordings, store, recipe.vocoder.training.frames, device, engine, progress)
    record: dict[str, Any] = {
        "corpora": recordings.corpora,
        "hours": round(crops.seconds(recipe.mel.sampling_rate) / 3600, 2),
    }
    model = VocoderTraining(recipe.vocoder, recipe.mel, recipe.seed)
    if start is not None:
        record["began_with"] = model.begin_with(*read_weights(start, recipe.mel))
    model.to(device)
    steps = recipe.vocoder.training.steps

    def report(step: int, losses: dict[str, float]) -> None:
        progress("vocoder", step, steps, f"loss {losses['total']:.3f}")

    state = fit(model, crops, watching, folder, recipe.seed, report)
    before = record.get("began_with", {}).get("steps", 0)
    record |= {"steps": before + state.step, "seconds": round(state.seconds), "recipe": plain_json(recipe)}
    write_weights(folder / FILE, model.network.cpu(), record)
    return folder / FILE


def _samplers(
    recordings: Recordings, store: FeatureStore, frames: int, device: torch.device, engine: Engine, progress: Progress
) -> list[VoiceSampler]:
    """Of training and of held-out recordings, once their features are computed."""
    groups = recordings.training, recordings.held_out
    everything = [utterance for group in groups for utterance in group]
    made = prepare_features(
        store, everything, ("mel", "voice"), engine, lambda done, total: progress("features", done, total, "")
    )
    unusable = {identity for identity, _ in made.rejected}
    return [VoiceSampler([one for one in group if one.id not in unusable], store, frames, device) for group in groups]
