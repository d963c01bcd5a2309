"""Utterances, speakers and corpora: what the harness and every system pass around."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from vcbench.base.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Sex = Literal["F", "M"]


class Features(Protocol):
    """Where an utterance's features come from; `vcbench.speech.features.store.FeatureStore` is one."""

    @property
    def sampling_rate(self) -> int:
        """Hz, of waves."""

    def wave(self, utterance: Utterance) -> Tensor: ...
    def mel(self, utterance: Utterance) -> Tensor: ...
    def pitch(self, utterance: Utterance) -> tuple[Tensor, Tensor]: ...
    def phones(self, utterance: Utterance) -> Tensor: ...
    def content_hash(self, utterance: Utterance) -> str: ...
    def pitch_of_wave(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """As `pitch`, of a wave (samples,) that is not an utterance's."""


@dataclass(frozen=True)
class Utterance:
    """One recording, or one segment of a recording, of one speaker.

    Attributes:
        id: unique within its corpus; letters, digits, ``_ - . / @`` only (a segment is ``<id>@0``).
        speaker: the speaker's id.
        path: the audio file.
        text: what is said, as the corpus gives it; ``None`` where the corpus gives none.
        span: begin and end in seconds when the utterance is a segment of the file.
        held_out: whether the corpus itself keeps the utterance out of training; ``None`` leaves it to `split`.
        varied: whether it is heard under other recording conditions than its own (`vcbench.speech.conditions`).
        features: where `wave`, `mel`, `pitch` and `phones` come from.
    """

    id: str
    speaker: str
    path: Path
    text: str | None = None
    span: tuple[float, float] | None = None
    held_out: bool | None = None
    varied: bool = False
    features: Features | None = field(default=None, compare=False, repr=False)

    def _store(self) -> Features:
        if self.features is None:
            raise ValueError(
                f"Utterance {self.id!r} has no feature store; get one with Utterance.with_features(store)."
            )
        return self.features

    def with_features(self, store: Features) -> Utterance:
        return replace(self, features=store)

    @property
    def wave(self) -> Tensor:
        """(samples,) float32: mono, at `sampling_rate`, silence trimmed at both ends."""
        return self._store().wave(self)

    @property
    def sampling_rate(self) -> int:
        """Hz, of `wave`."""
        return self._store().sampling_rate

    @property
    def mel(self) -> Tensor:
        """(n_mels, frames) float32: log10 magnitude."""
        return self._store().mel(self)

    @property
    def log_f0(self) -> Tensor:
        """(frames,) float32: natural logarithm of F0 in Hz, 0 where unvoiced. Same frames as `mel`."""
        return self._store().pitch(self)[0]

    @property
    def voiced(self) -> Tensor:
        """(frames,) bool. Same frames as `mel`."""
        return self._store().pitch(self)[1]

    @property
    def phones(self) -> Tensor:
        """(frames,) int64: index in `vcbench.speech.features.phones.INVENTORY`. Same frames as `mel`."""
        return self._store().phones(self)


@dataclass(frozen=True)
class Speaker:
    """A speaker and recordings of theirs.

    A corpus lists all of a speaker's utterances; what `convert` gets as its target is a Speaker
    whose `utterances` are the trial's reference recordings alone (one-shot systems use the first).

    Attributes:
        sex: "F", "M" or ``None`` where unknown.
        seen: whether the corpus itself says that the speaker is trained on; ``None`` leaves it to `split`.
    """

    id: str
    utterances: tuple[Utterance, ...]
    sex: Sex | None = None
    seen: bool | None = None


@dataclass(frozen=True)
class Corpus:
    """Speech of several speakers.

    Attributes:
        synthetic: whether the voices are synthetic; every table then says so.
        licence: one line: licence, owner, where it comes from.
        parallel: whether speakers say the same sentences (same `text`).
    """

    name: str
    root: Path
    speakers: tuple[Speaker, ...]
    licence: str
    synthetic: bool = False
    parallel: bool = False

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        return tuple(utterance for speaker in self.speakers for utterance in speaker.utterances)


class CorpusError(UserError):
    """A corpus that is not where or what it should be."""
