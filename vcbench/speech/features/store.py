"""Features of utterances: computed on first use, and cached by a hash of their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vcbench.base.errors import ModelUnavailable
from vcbench.base.files import hash_json
from vcbench.speech import audio
from vcbench.speech.conditions import VERSION, apply
from vcbench.speech.features import phones
from vcbench.speech.features.cache import ContentHashes, FeatureCache
from vcbench.speech.features.mel import mel_spectrogram
from vcbench.speech.features.memory import FEATURES_LIMIT, WAVES_LIMIT, Memory
from vcbench.speech.features.pitch import pitch
from vcbench.speech.features.settings import MelSettings, PitchSettings, TranscriptSettings
from vcbench.speech.features.shards import Feature
from vcbench.speech.features.speaker import ge2e
from vcbench.speech.features.voice import Voice, analyse
from vcbench.speech.utterance import Utterance

if TYPE_CHECKING:
    from vcbench.speech.pretrained.whisper import Transcriber

# Raise a kind's version when its code gives other results; everything computed from it is computed again too.
VERSIONS = {"wave": 1, "mel": 1, "pitch": 1, "phones": 2, "transcript": 1, "voice": 1, "ge2e": 1}


class FeatureStore:
    """Where an utterance's features come from: memory, else the cache on disk, else the recording.

    A feature's key is a hash of the recording's content, the span, the settings and the code's version. Waves are kept
    in memory only: decoding the recording again costs no more than reading a copy back. Returned tensors are
    shared with the cache: do not modify them. Pickling keeps only the settings.

    Args:
        cache: folder; created on the first write.
        transcript_settings: the speech recogniser that serves utterances without text.
        device: the device of that recogniser.
    """

    def __init__(
        self,
        cache: Path,
        mel_settings: MelSettings = MelSettings(),  # noqa: B008 (immutable)
        pitch_settings: PitchSettings = PitchSettings(),  # noqa: B008
        transcript_settings: TranscriptSettings = TranscriptSettings(),  # noqa: B008
        device: str = "cpu",
    ) -> None:
        self.mel_settings = mel_settings
        self.pitch_settings = pitch_settings
        self.transcript_settings = transcript_settings
        self.device = device
        self._cache = FeatureCache(cache, FEATURES_LIMIT)
        self._waves = Memory(WAVES_LIMIT)
        self._contents = ContentHashes(cache / "contents.json")
        self._transcriber: Transcriber | ModelUnavailable | None = None  # the error, once it is known to be missing

    def __reduce__(self) -> tuple[Any, ...]:
        settings = (self.mel_settings, self.pitch_settings, self.transcript_settings, self.device)
        return FeatureStore, (self._cache.folder, *settings)

    def wave(self, utterance: Utterance) -> Tensor:
        """(samples,) float32: mono, at the mel's sampling rate, silence trimmed at both ends.

        Raises:
            AudioError: the recording cannot be used.
        """
        key = self._key("wave", utterance)
        feature = self._waves.recall(key)
        if feature is None:
            rate = self.sampling_rate
            trimmed = audio.trim_silence(audio.read(utterance.path, rate, utterance.span), rate)
            heard = apply(trimmed, rate, utterance.id) if utterance.varied else trimmed.copy()
            feature = {"wave": torch.from_numpy(heard)}, {}
            self._waves.remember(key, feature)
        return feature[0]["wave"]

    @property
    def sampling_rate(self) -> int:
        """Hz, of waves."""
        return self.mel_settings.sampling_rate

    def mel(self, utterance: Utterance) -> Tensor:
        """(n_mels, frames) float32: log10 magnitude."""
        return self._feature("mel", utterance)[0]["mel"]

    def pitch(self, utterance: Utterance) -> tuple[Tensor, Tensor]:
        """log-F0 (frames,) float32, 0 where unvoiced; and voicing (frames,) bool."""
        tensors, _ = self._feature("pitch", utterance)
        return tensors["log_f0"], tensors["voiced"]

    def phones(self, utterance: Utterance) -> Tensor:
        """(frames,) int64: index in `vcbench.speech.features.phones.INVENTORY`."""
        return self._feature("phones", utterance)[0]["ids"]

    def voice(self, utterance: Utterance) -> Voice | None:
        """WORLD's analysis, which a vocoder is trained on; None where nothing is voiced."""
        tensors, _ = self._feature("voice", utterance)
        return Voice(**tensors) if tensors else None

    def ge2e(self, utterance: Utterance) -> Tensor:
        """(256,) float32 of unit length: GE2E's speaker embedding."""
        return self._feature("ge2e", utterance)[0]["embedding"]

    def phones_how(self, utterance: Utterance) -> str:
        """How the phones were found: "aligned", or what was done instead, and why."""
        notes = self._cache.notes("phones", self._key("phones", utterance))
        return (notes or self._feature("phones", utterance)[1])["how"]

    def transcript(self, utterance: Utterance) -> str | None:
        """The speech recogniser's transcript; None if its model is not installed."""
        if self.needs_transcript(utterance):
            self.transcribe([utterance])
        notes = self._cache.notes("transcript", self._key("transcript", utterance))
        return None if notes is None else notes["text"]

    def content_hash(self, utterance: Utterance) -> str:
        """Hash of the recording, the span and the rate: the same speech has the same hash, wherever it is stored."""
        return self._key("wave", utterance)

    def _key(self, kind: str, utterance: Utterance, wave: str = "") -> str:
        """Hash of everything that the feature depends on; `wave` is the wave's key, if it is known.

        Raises:
            AudioError: the file cannot be read.
        """
        if kind == "wave":
            try:
                content = self._contents(utterance.path)
            except OSError as error:
                raise audio.AudioError(f"{utterance.path} cannot be read: {error.strerror}.") from error
            basis: list[Any] = [content, utterance.span, self.sampling_rate, [audio.TRIM_DECIBELS, audio.TRIM_MARGIN]]
            if utterance.varied:
                basis.append([VERSION, utterance.id])
        else:
            basis = [wave or self._key("wave", utterance)]
        if kind in ("mel", "voice"):
            basis.append(self.mel_settings.model_dump(mode="json"))
        if kind == "voice":
            basis += [self.pitch_settings.low, self.pitch_settings.high]
        elif kind == "pitch":
            basis += [self.mel_settings.hop, self.pitch_settings.model_dump(mode="json")]
        elif kind == "transcript":
            basis.append(self.transcript_settings.model_dump(mode="json"))
        elif kind == "phones":
            basis += [self.mel_settings.hop, *self._words(utterance)]
        return hash_json([kind, VERSIONS[kind], *basis])

    def _words(self, utterance: Utterance) -> tuple[str | None, str]:
        """The text, and the recogniser it comes from, which is empty for the corpus's own text."""
        if utterance.text:
            return utterance.text, ""
        return self.transcript(utterance), f"{self.transcript_settings.engine} {self.transcript_settings.model}"

    def _feature(self, kind: str, utterance: Utterance) -> Feature:
        key = self._key(kind, utterance)
        feature = self._cache.get(kind, key)
        if feature is None:
            feature = getattr(self, f"_compute_{kind}")(utterance)
            self._cache.put(kind, key, feature)
        return feature

    def _compute_mel(self, utterance: Utterance) -> Feature:
        return {"mel": mel_spectrogram(self.wave(utterance), self.mel_settings)}, {}

    def pitch_of_wave(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """As `pitch`, of a wave (samples,) that is not an utterance's."""
        log_f0, voiced = pitch(wave.double().numpy(), self.pitch_settings, self.mel_settings)
        return torch.from_numpy(log_f0), torch.from_numpy(voiced)

    def _compute_pitch(self, utterance: Utterance) -> Feature:
        log_f0, voiced = self.pitch_of_wave(self.wave(utterance))
        return {"log_f0": log_f0, "voiced": voiced}, {}

    def _compute_voice(self, utterance: Utterance) -> Feature:
        found = analyse(self.wave(utterance), self.mel_settings, self.pitch_settings.low, self.pitch_settings.high)
        return (vars(found) if found else {}), {}

    def _compute_ge2e(self, utterance: Utterance) -> Feature:
        return {"embedding": ge2e(self.wave(utterance).numpy(), self.sampling_rate)}, {}

    def _compute_phones(self, utterance: Utterance) -> Feature:
        text, recogniser = self._words(utterance)
        wave = self.wave(utterance)
        wave16k = audio.resample(wave.numpy(), self.mel_settings.sampling_rate, phones.RATE)
        frames = len(wave) // self.mel_settings.hop
        if text is None:
            reason = f"there is no text, and {self._recogniser()}"
            found = phones.recognise(wave16k, self.mel_settings, frames, reason)
        else:
            found = phones.align(wave16k, text, self.mel_settings, frames)
        whence = f" (the text is a transcript by {recogniser})" if recogniser and text is not None else ""
        return {"ids": torch.from_numpy(found.ids)}, {"how": found.how + whence}

    def _recogniser(self) -> Transcriber | ModelUnavailable:
        """The speech recogniser, or the error that says why there is none."""
        if self._transcriber is None:
            from vcbench.speech.pretrained.whisper import Transcriber

            settings = self.transcript_settings
            try:
                self._transcriber = Transcriber(settings.engine, settings.model, self.device)
            except ModelUnavailable as error:
                self._transcriber = error
        return self._transcriber

    def needs_transcript(self, utterance: Utterance) -> bool:
        """Whether the recogniser has to transcribe the utterance: it has no text and no transcript yet."""
        if utterance.text or not utterance.path.is_file():
            return False
        cached = self._cache.holds("transcript", self._key("transcript", utterance))
        return not cached and not isinstance(self._recogniser(), ModelUnavailable)

    def is_cached(self, utterance: Utterance, needs: Sequence[str]) -> bool:
        """Whether all these features are on disk."""
        try:
            if "phones" in needs and self.needs_transcript(utterance):
                return False
            wave = self._key("wave", utterance)
            return all(self._cache.holds(kind, self._key(kind, utterance, wave)) for kind in needs)
        except audio.AudioError:
            return False  # computing it raises the same error, and reports it

    def transcribe(self, utterances: Sequence[Utterance]) -> None:
        """Transcribe a batch with the recogniser.

        Raises:
            ModelUnavailable: it is not on this machine.
        """
        recogniser = self._recogniser()
        if isinstance(recogniser, ModelUnavailable):
            raise recogniser
        waves = [audio.resample(self.wave(one).numpy(), self.sampling_rate, phones.RATE) for one in utterances]
        for utterance, heard in zip(utterances, recogniser.transcribe(waves), strict=True):
            self._cache.put("transcript", self._key("transcript", utterance), ({}, {"text": heard.text}))

    def gather(self) -> AbstractContextManager[None]:
        """Within this, features are written in large files; see `FeatureCache.gather`."""
        return self._cache.gather()

    def save_hashes(self) -> None:
        """Save the files' content hashes on disk."""
        self._contents.save()
