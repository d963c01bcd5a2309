"""A run's folder: every path in it, and the state that `prepare` leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import ValidationError

from vcbench.api.scores import scores_to_frame
from vcbench.base.errors import UserError
from vcbench.base.settings import Strict
from vcbench.base.state import DamagedFile, find_parquet, find_state, read_parquet, read_state, write_state

OUTCOMES = ("trial", "error", "audio_hash")  # columns of conversions.parquet
TRIALS = ("trial", "condition", "source", "target_speaker", "references", "enrolment", "target_utterance")
SCORES = ("system", "column", "trial", "condition", "value", "weight", "source_speaker", "target_speaker", "detail")
Pairs = tuple[tuple[str, str], ...]


class RunError(UserError):
    """A run's folder that does not fit what was asked for."""


@dataclass(frozen=True)
class RunFolder:
    """Paths in a run's folder. Rows are those of the leaderboard; metrics go by their row name."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "run.toml"

    @property
    def prepared(self) -> Path:
        return self.root / "prepared.json"

    @property
    def trials(self) -> Path:
        return self.root / "trials.parquet"

    @property
    def notes(self) -> Path:
        """Lines for the tables' foot from what made the run (`vcbench score`)."""
        return self.root / "notes.json"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.json"

    @property
    def ratings(self) -> Path:
        """Means of listening tests (`vcbench listen analyse --run`)."""
        return self.root / "listening.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def single_report(self) -> Path:
        """The report with audio and pictures within it (`vcbench report --single-file`)."""
        return self.root / "report-single.html"

    @property
    def clips(self) -> Path:
        """What the report shows and plays that is not a conversion."""
        return self.root / "report"

    @property
    def recordings(self) -> Path:
        """Copies of a user's own recordings (`vcbench score`)."""
        return self.root / "recordings"

    def _inside(self, *parts: str) -> Path:
        """
        Raises:
            RunError: a name leads out of the folder, as ``../x`` does.
        """
        path = self.root.joinpath(*parts)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise RunError(f"The name {parts[-1]!r} leads out of the run's folder {self.root}. Rename it.")
        return path

    def system(self, row: str) -> Path:
        return self._inside("systems", row)

    def checkpoint(self, row: str) -> Path:
        return self.system(row) / "checkpoint.safetensors"

    def training(self, row: str) -> Path:
        """What was trained, and what it cost."""
        return self.system(row) / "training.json"

    def training_log(self, row: str) -> Path:
        return self.system(row) / "train.jsonl"

    def converted(self, row: str) -> Path:
        return self._inside("converted", row)

    def conversion(self, row: str, trial: str) -> Path:
        return self._inside("converted", row, f"{trial}.flac")

    def outcomes(self, row: str) -> Path:
        return self.converted(row) / "conversions.parquet"

    def conversion_state(self, row: str) -> Path:
        """What the conversions were made with, and what they cost."""
        return self.converted(row) / "costs.json"

    def scores(self, metric: str) -> Path:
        return self._inside("scores", f"{metric}.parquet")

    def scoring(self, metric: str) -> Path:
        """What the scores were made with."""
        return self._inside("scores", f"{metric}.json")

    def seeds(self, suffix: Literal["md", "csv"]) -> Path:
        """Mean and spread over training seeds (`vcbench run --seeds`)."""
        return self.root / f"seeds.{suffix}"

    @property
    def repeat(self) -> Path:
        """Where the table differs from that of the run that this one repeats (`vcbench run --from`)."""
        return self.root / "repeat.md"

    def methods(self, suffix: Literal["md", "tex"]) -> Path:
        """A paragraph for a paper on how the run was made."""
        return self.root / f"methods.{suffix}"

    def leaderboard(self, suffix: Literal["md", "tex", "csv", "json"]) -> Path:
        return self.root / f"leaderboard.{suffix}"


class StoredUtterance(Strict):
    """An utterance without its features; `path` is relative to the corpus, so that a run's folder can be moved.

    `corpus` is the name of a corpus that is only trained on; of the run's own it is empty.
    """

    id: str
    speaker: str
    text: str | None
    span: tuple[float, float] | None
    held_out: bool | None
    path: str
    corpus: str = ""


class StoredSpeaker(Strict):
    id: str
    sex: Literal["F", "M"] | None
    seen: bool | None


class StoredSplit(Strict):
    training: tuple[StoredUtterance, ...]
    held_out: tuple[StoredUtterance, ...]
    unseen: tuple[StoredUtterance, ...]
    speakers: tuple[StoredSpeaker, ...]


class Prepared(Strict):
    """What `prepare` found, in prepared.json.

    Attributes:
        settings: what it was asked for: corpus and its version, features, seed, needs of the systems, share of varied recordings.
        rejected: (utterance id, reason) of recordings that cannot be used.
        fallbacks, varied_fallbacks: (utterance id, how) of utterances whose phones are not an alignment to their text.
        corpus_hash: of the corpus's version, the usable recordings and their texts.
    """

    settings: dict[str, Any]
    rejected: Pairs
    fallbacks: Pairs
    varied_fallbacks: Pairs
    corpus_hash: str
    split: StoredSplit

    def write(self, folder: RunFolder) -> None:
        write_state(folder.prepared, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: RunFolder) -> Prepared:
        """
        Raises:
            FileNotFoundError: the run is not prepared.
            DamagedFile: the file is not what `write` left.
        """
        remedy = "`vcbench run` or `vcbench prepare` makes it again."
        return cls._parse(read_state(folder.prepared, remedy), folder, remedy)

    @classmethod
    def find(cls, folder: RunFolder) -> Prepared | None:
        """As `read`; None if there is no such file, and, with a warning, if it is damaged."""
        content = find_state(folder.prepared)
        return None if content is None else cls._parse(content, folder, "Delete it and prepare again.")

    @classmethod
    def _parse(cls, content: dict[str, Any], folder: RunFolder, remedy: str) -> Prepared:
        try:
            return cls.model_validate(content, strict=False)
        except ValidationError as error:
            raise DamagedFile(f"{folder.prepared} does not have the expected form ({error}). {remedy}") from error


def read_trials(folder: RunFolder) -> pd.DataFrame:
    trials = read_parquet(folder.trials, TRIALS, "`vcbench prepare` or `vcbench score` makes it again.")
    for name in trials["trial"]:
        if Path(str(name)).name != name:  # it names a recording
            raise RunError(f"{folder.trials} has a trial {name!r}, which is not a file's name. Do not use this run.")
    return trials


def read_outcomes(folder: RunFolder, row: str) -> pd.DataFrame:
    """Columns OUTCOMES: each trial with its error (empty if it was converted) and the recording's hash."""
    return read_parquet(folder.outcomes(row), OUTCOMES, "`vcbench run` converts the trials again.")


def find_outcomes(folder: RunFolder, row: str) -> pd.DataFrame | None:
    """As `read_outcomes`; None if there is no such file, and, with a warning, if it is damaged."""
    return find_parquet(folder.outcomes(row), OUTCOMES)


def read_scores(folder: RunFolder, metric: str) -> pd.DataFrame:
    return read_parquet(folder.scores(metric), SCORES, "`vcbench run` scores the recordings again.")


def read_all_scores(folder: RunFolder, metrics: Iterable[str]) -> pd.DataFrame:
    """The scores of those of the metrics that have some, one table after the other."""
    tables = [read_scores(folder, name) for name in metrics if folder.scores(name).is_file()]
    return together(tables)


def together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of scores one after the other. An empty one among them would make every column one of objects."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else scores_to_frame([])
