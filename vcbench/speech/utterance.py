"""Utterances, speakers and corpora: the types that the harness and all systems share."""

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
    def ge2e(self, utterance: Utterance) -> Tensor: ...
    def content_hash(self, utterance: Utterance) -> str: ...
    def pitch_of_wave(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """As `pitch`, of a wave (samples,) that is not an utterance's."""


@dataclass(frozen=True)
class Utterance:
    """A recording of one speaker, or a segment of one.

    Attributes:
        id: unique within its corpus; letters, digits, ``_ - . / @`` only (a segment is ``<id>@0``).
        speaker: the speaker's id.
        path: the audio file.
        text: the corpus's transcript; ``None`` if it has none.
        span: begin and end in seconds if the utterance is a segment of the file.
        held_out: whether the corpus itself keeps the utterance out of training; ``None`` leaves it to `split`.
        varied: whether its recording conditions are changed artificially (`vcbench.speech.conditions`).
        features: the store that provides `wave`, `mel`, `pitch` and `phones`.
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

    @property
    def ge2e(self) -> Tensor:
        """(256,) float32 of unit length: GE2E's speaker embedding, computed on first use."""
        return self._store().ge2e(self)


@dataclass(frozen=True)
class Speaker:
    """A speaker and their recordings.

    In a corpus, `utterances` has all of a speaker's utterances. In the target that `convert` receives, it has only the
    trial's reference recordings (one-shot systems use the first).

    Attributes:
        sex: "F", "M" or ``None`` if unknown.
        seen: whether the corpus itself assigns the speaker to training; ``None`` leaves it to `split`.
    """

    id: str
    utterances: tuple[Utterance, ...]
    sex: Sex | None = None
    seen: bool | None = None


@dataclass(frozen=True)
class Corpus:
    """Speech of several speakers.

    Attributes:
        synthetic: whether the voices are synthetic; if so, every table says it.
        licence: one line with licence, owner and origin.
        version: of a corpus that is part of this software; others have none.
    """

    name: str
    root: Path
    speakers: tuple[Speaker, ...]
    licence: str
    synthetic: bool = False
    version: str | None = None

    @property
    def title(self) -> str:
        """The name, with the version if there is one."""
        return f"{self.name} (version {self.version})" if self.version else self.name

    @property
    def own_name(self) -> str:
        """The name; of a user's folder, that folder's name."""
        return self.root.name if self.name == "folder" else self.name

    @property
    def label(self) -> str:
        """As `title`, with `own_name`."""
        return f"{self.own_name} (version {self.version})" if self.version else self.own_name

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        return tuple(utterance for speaker in self.speakers for utterance in speaker.utterances)


class CorpusError(UserError):
    """A corpus is missing, or has another layout than expected."""
