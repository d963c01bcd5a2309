"""A run and its folder: what every stage reads and writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import tomli_w
import torch

from vcbench.api.conversion import Conversion
from vcbench.api.metric import Metric
from vcbench.api.system import NeuralSystem, VoiceConverter
from vcbench.base.files import hash_file, hash_json, is_file, write_text
from vcbench.base.jobs import Engine
from vcbench.base.machine import cache_root, pick_device
from vcbench.base.settings import read_toml
from vcbench.base.state import read_state
from vcbench.run import config as configuration
from vcbench.run.config import RunConfig, needed_features, plain
from vcbench.run.conversions import conversions_of
from vcbench.run.engine import choose
from vcbench.run.extend import extend
from vcbench.run.folder import Prepared, RunError, RunFolder, StoredUtterance, read_outcomes, read_trials
from vcbench.run.metrics import build_metrics
from vcbench.run.notes import notes
from vcbench.run.trust import require_trusted, trust
from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.split import Split
from vcbench.speech.corpora.training_only import load_training_only
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Corpus, Speaker, Utterance


class Run:
    """One run, opened from its folder; everything is loaded when first asked for."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.files = RunFolder(folder)
        self.config = config
        self.progress: Callable[..., None] = lambda done, total, note="": None

    @classmethod
    def open(cls, folder: Path) -> Run:
        """A run that exists."""
        path = RunFolder(folder).settings
        if not is_file(path):
            raise RunError(f"{folder} is not a run: it has no run.toml. Make one with `vcbench run`.")
        values = read_toml(path)
        require_trusted(values, path)
        return cls(folder, configuration.parse(values))

    @classmethod
    def create(cls, folder: Path, config: RunConfig) -> Run:
        """Make a run's folder, or go on with one of the same settings; systems, metrics and rows may be added.

        Raises:
            RunError: the folder was made with other settings, with the keys that differ.
        """
        path = RunFolder(folder).settings
        trust(config.model_dump())
        if is_file(path):
            config = extend(cls.open(folder).config, config, folder)
        write_text(path, tomli_w.dumps(plain(config)))
        return cls(folder, config)

    @cached_property
    def device(self) -> torch.device:
        return pick_device(self.config.device)

    @property
    def workers(self) -> int:
        """Processes at once: what the settings say, else one per core on a CPU, and one on a GPU."""
        return self.config.workers or (1 if self.device.type == "cuda" else len(os.sched_getaffinity(0)))

    @property
    def threads(self) -> int:
        """Of a job. One on a CPU, so that a result does not depend on how many cores there are."""
        return 1 if self.device.type == "cpu" or self.workers > 1 else torch.get_num_threads()

    @property
    def engine(self) -> Engine:
        """Where jobs run."""
        return choose(self.config, self.workers, self.threads, self.device)

    @property
    def score_cache(self) -> Path:
        return cache_root() / "scores"

    @cached_property
    def store(self) -> FeatureStore:
        features = self.config.features
        return FeatureStore(cache_root() / "features", features.mel, features.pitch, device=self.device.type)

    @cached_property
    def corpus(self) -> Corpus:
        return load_corpus(self.config.corpus.name, self.config.corpus.root)

    @cached_property
    def training_only(self) -> dict[str, Corpus]:
        """Further corpora to train on, by name."""
        return load_training_only(self.config.corpus.training_only, self.corpus)

    @cached_property
    def prepared(self) -> Prepared:
        """What `prepare` found: rejected utterances, how phones were found, the corpus's hash, the split."""
        try:
            return Prepared.read(self.files)
        except FileNotFoundError as error:
            raise RunError(f"{self.folder} is not prepared. Run `vcbench run` or `vcbench prepare` first.") from error

    @cached_property
    def split(self) -> Split:
        """The split that `prepare` froze, features attached."""
        stored = self.prepared.split
        training, held_out, unseen = (
            tuple(map(self._utterance, part)) for part in (stored.training, stored.held_out, stored.unseen)
        )
        by_speaker: dict[str, list[Utterance]] = {}
        for utterance in (*training, *held_out, *unseen):
            by_speaker.setdefault(utterance.speaker, []).append(utterance)
        speakers = {one.id: Speaker(one.id, tuple(by_speaker[one.id]), one.sex, one.seen) for one in stored.speakers}
        return Split(training=training, held_out=held_out, unseen=unseen, speakers=speakers)

    def _utterance(self, stored: StoredUtterance) -> Utterance:
        corpus = self.training_only[stored.corpus] if stored.corpus else self.corpus
        path = corpus.root / stored.path
        known = stored.id, stored.speaker, path, stored.text, stored.span, stored.held_out
        return Utterance(*known, features=self.store)

    @cached_property
    def _utterances(self) -> dict[str, Utterance]:
        return {u.id: u for group in (self.split.training, self.split.held_out, self.split.unseen) for u in group}

    def utterance(self, identity: str) -> Utterance:
        return self._utterances[identity]

    @cached_property
    def trials(self) -> pd.DataFrame:
        return read_trials(self.files)

    def target(self, trial: Any) -> Speaker:
        """The target speaker of a trial, with the recordings that a system is given."""
        references = tuple(self.utterance(identity) for identity in trial.references)
        return Speaker(trial.target_speaker, references, self.split.speakers[trial.target_speaker].sex)

    @property
    def systems(self) -> list[str]:
        return list(self.config.systems)

    @property
    def rows(self) -> list[str]:
        """Rows of the leaderboard: systems, then reference rows."""
        return [*self.systems, *self.config.reference_rows]

    def system_key(self, row: str) -> str | None:
        """Hash of a system's weights and of the speech it was and was not trained on; None for one not trained here."""
        checkpoint = self.files.checkpoint(row)
        if not checkpoint.is_file():
            return None
        split = self.prepared.split.model_dump(mode="json", exclude_defaults=True)
        return hash_json([hash_file(checkpoint), self.prepared.corpus_hash, split])

    def build_system(self, row: str) -> VoiceConverter:
        """An untrained system, as its settings say, on the run's device."""
        settings = self.config.systems[row]
        system_class = configuration.system_class(row, settings)
        own = configuration.system_config(row, settings)
        if not issubclass(system_class, NeuralSystem):
            return system_class() if own is None else system_class(own)
        torch.manual_seed(self.config.seed)
        return system_class(own, self.config.features.mel, self.config.seed).to(self.device)

    def load_system(self, row: str) -> VoiceConverter:
        """A system ready to convert: from its checkpoint, if it is one that is trained here."""
        system_class = configuration.system_class(row, self.config.systems[row])
        if issubclass(system_class, NeuralSystem):
            path = self.files.checkpoint(row)
            if not path.is_file():
                raise RunError(f"{row} is not trained in {self.folder}. Run `vcbench train` first.")
            return system_class.load(path, self.config.features.mel).to(self.device)
        return self.build_system(row)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Each metric of the settings, built once, by its row name."""
        return build_metrics(self.config.metrics)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Every conversion that was tried: row, trial, condition, error (empty where it went well), audio_hash."""
        tables = [read_outcomes(self.files, row).assign(system=row) for row in self.rows]
        return pd.concat(tables, ignore_index=True).merge(self.trials[["trial", "condition"]], on="trial")

    @property
    def needs(self) -> tuple[set[str], float]:
        """The features that its systems need, and the largest share of training utterances in varied conditions."""
        return needed_features(self.config)

    @property
    def notes(self) -> list[str]:
        """Lines for the tables' foot."""
        return list(notes(self.config, self.prepared, self.files))

    @property
    def failures(self) -> pd.DataFrame:
        return self.outcomes.loc[self.outcomes["error"] != "", ["system", "trial", "condition", "error"]]

    @cached_property
    def conversions(self) -> list[Conversion]:
        folders = {row: self.files.converted(row) for row in self.rows}
        encoders = {row: configuration.speaker_encoder(row, own) for row, own in self.config.systems.items()}
        return conversions_of(self.trials, self.outcomes, self._utterances, self.split.speakers, folders, encoders)

    def efficiency(self, row: str) -> dict[str, float]:
        """What training and conversion cost, from the files that these stages left."""
        costs: dict[str, float] = {}
        for path in (self.files.training(row), self.files.conversion_state(row)):
            if path.is_file():
                costs |= read_state(path, "`vcbench run` makes it again.")["costs"]
        return {name: cost for name, cost in costs.items() if cost}
