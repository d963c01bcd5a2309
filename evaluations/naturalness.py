"""Predicted naturalness: networks trained to predict listeners' opinion scores. No listener rated these recordings.

Three metrics, each computed from the recording only, at 16 kHz:

- `naturalness`: DistillMOS (Stahl and Gamper 2025, "Distillation and pruning for scalable self-supervised
  representation-based speech quality assessment"), an overall score from 1 to 5. It reads windows of 7.68 s, each scaled to full
  scale; shorter recordings are padded with silence, and longer ones get the mean over windows.
- `naturalness_dnsmos`: DNSMOS P.835 (Reddy et al. 2022), made for noise suppressors: scores from 1 to 5 for speech, background
  and overall quality. It reads 9.01 s; a shorter recording is repeated, as its authors do.
- `naturalness_utmos`: UTMOS's strong learner (Saeki et al. 2022), an overall score of synthetic and converted speech, roughly
  from 1 to 5. It reads the whole recording. Its weights come from the hub.

On a GPU recordings of similar length are computed together. None sees another: DistillMOS's and DNSMOS's input has one length, and
UTMOS masks what fills up the shorter ones. Opinions differ by less than 1e-4 from those of one recording alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column, Measurement
from vcbench.base.errors import ModelUnavailable
from vcbench.speech import audio
from vcbench.speech.batches import in_batches, padded
from vcbench.speech.pretrained import weights

from .networks.distillmos import DistillMos, load_distillmos
from .networks.utmos import load_utmos

RATE = 16_000  # Hz, for all models
SECONDS = 9.01  # that DNSMOS reads
SEGMENT = 144_160  # as samples
SEGMENTS = 8  # of them at once


class OneOpinion(AudioMetric):
    """Base of the metrics whose network gives one score per wave; a subclass has one column and defines `network`."""

    version = 1
    reads = ()

    def network(self) -> nn.Module:
        """Waves at RATE, filled up with zeros (batch, samples), and their lengths (batch,) -> (batch,)."""
        raise NotImplementedError

    def load(self, device: torch.device) -> None:
        self._model = self.network().to(device)
        self._device = device

    def unload(self) -> None:
        del self._model

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        (column,) = self.columns
        waves = [audio.read(conversion.path, RATE) for conversion in conversions]
        return [[Measurement(column, opinion)] for opinion in in_batches(self._opinions, waves, self._device)]

    @torch.inference_mode()
    def _opinions(self, waves: list[np.ndarray]) -> list[float]:
        opinions: list[float] = self._model(*padded(waves, self._device)).tolist()
        return opinions


class DistilledNaturalness(OneOpinion):
    """DistillMOS, on a scale from 1 to 5."""

    name = "naturalness"
    summary = "Predicts how natural listeners would find a recording, from 1 to 5, by the network DistillMOS."
    columns: ClassVar[dict[str, Column]] = {
        "distillmos": Column("Predicted naturalness (DistillMOS, 1-5)", True, 2, role="naturalness")
    }

    def check(self) -> None:
        weights.find("distillmos")

    def settings(self) -> dict[str, Any]:
        return {"model": weights.revision("distillmos"), "rate": RATE}

    def network(self) -> nn.Module:
        return DistillMos(load_distillmos())


class DnsMos(AudioMetric):
    """DNSMOS P.835, three scores on a scale from 1 to 5."""

    name = "naturalness_dnsmos"
    summary = "Predicts ratings of speech, background and overall quality, from 1 to 5, by the network DNSMOS P.835."
    columns: ClassVar[dict[str, Column]] = {
        "dnsmos_overall": Column("Predicted overall quality (DNSMOS, 1-5)", True, 2, role="naturalness"),
        "dnsmos_speech": Column("Predicted speech quality (DNSMOS, 1-5)", True, 2, main=False),
        "dnsmos_background": Column("Predicted background quality (DNSMOS, 1-5)", True, 2, main=False),
    }
    version = 1
    reads = ()

    def check(self) -> None:
        weights.find("dnsmos")
        if lacking := [name for name in ("onnxruntime", "librosa") if find_spec(name) is None]:
            raise ModelUnavailable(
                f"DNSMOS needs {' and '.join(lacking)}. Get it with: pip install {' '.join(lacking)}"
            )

    def settings(self) -> dict[str, Any]:
        return {"model": weights.revision("dnsmos"), "rate": RATE}

    def load(self, device: torch.device) -> None:
        from onnxruntime import InferenceSession, SessionOptions
        from speechmos.dnsmos import DNSMOS

        options = SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._network = InferenceSession(weights.find("dnsmos") / "sig_bak_ovr.onnx", options)
        self._rescale = DNSMOS.__new__(
            DNSMOS
        ).get_polyfit_val  # its __init__ takes every core and loads a second network

    def unload(self) -> None:
        del self._network, self._rescale

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        segments = [_segments(np.clip(audio.read(conversion.path, RATE), -1, 1)) for conversion in conversions]
        joint = np.concatenate(segments)
        raw = np.concatenate(
            [
                self._network.run(None, {"input_1": joint[begin : begin + SEGMENTS]})[0]
                for begin in range(0, len(joint), SEGMENTS)
            ]
        )
        ends = np.cumsum([len(own) for own in segments])[:-1]
        return [self._opinions(own) for own in np.split(raw, ends)]

    def _opinions(self, raw: np.ndarray) -> list[Measurement]:
        """Of a recording's segments (segments, 3)."""
        found = np.mean([self._rescale(*segment, False) for segment in raw], axis=0)
        columns = ("dnsmos_speech", "dnsmos_background", "dnsmos_overall")
        by_column = dict(zip(columns, found.tolist(), strict=True))
        return [Measurement(column, by_column[column]) for column in self.columns]


def _segments(wave: np.ndarray) -> np.ndarray:
    """(segments, samples) of 9.01 s, one a second, of a wave that is repeated until it is as long, as in speechmos.

    speechmos leaves out a segment whose end its arithmetic rounds down, from the eighth to the tenth; so does this.
    """
    while len(wave) < SEGMENT:
        wave = np.append(wave, wave)
    count = int(len(wave) // RATE - SECONDS) + 1
    ends = [int((index + SECONDS) * RATE) for index in range(count)]
    parts = [wave[index * RATE : end] for index, end in enumerate(ends)]
    return np.stack([part for part in parts if len(part) == SEGMENT]).astype(np.float32)


class UtmosNaturalness(OneOpinion):
    """UTMOS, roughly from 1 to 5.

    Args:
        path: the folder that holds its weights; by default this machine's usual place.
    """

    name = "naturalness_utmos"
    summary = "Predicts how natural listeners would find a recording, from 1 to 5, by the network UTMOS."
    columns: ClassVar[dict[str, Column]] = {
        "utmos": Column("Predicted naturalness (UTMOS, 1-5)", True, 2, role="naturalness")
    }

    def __init__(self, path: Path | str | None = None) -> None:
        self._path = path

    def check(self) -> None:
        weights.find("utmos", self._path)

    def settings(self) -> dict[str, Any]:
        return {"model": weights.revision("utmos", self._path), "rate": RATE}

    def network(self) -> nn.Module:
        return load_utmos(weights.find("utmos", self._path) / weights.get("utmos").files[0])
