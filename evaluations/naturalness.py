"""Predicted naturalness: networks trained to predict listeners' opinion scores. No listener rated these recordings.

Three metrics, each computed from the recording only, at 16 kHz:

- `naturalness`: DistillMOS (Stahl and Gamper 2025, "Distillation and pruning for scalable self-supervised
  representation-based speech quality assessment"), an overall score from 1 to 5. It reads windows of 7.68 s, each scaled to full
  scale; shorter recordings are padded with silence, and longer ones get the mean over windows.
- `naturalness_dnsmos`: DNSMOS P.835 (Reddy et al. 2022), made for noise suppressors: scores from 1 to 5 for speech, background
  and overall quality. It reads 9.01 s; a shorter recording is repeated, as its authors do.
- `naturalness_utmos`: UTMOS's strong learner (Saeki et al. 2022), an overall score of synthetic and converted speech, roughly
  from 1 to 5. It reads the whole recording. Its weights come from the hub.

Cost for 3 s of speech on one core: DistillMOS 0.22 s, DNSMOS 1.5 s.
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
from vcbench.speech.pretrained import weights

from .networks.distillmos import DistillMos, load_distillmos
from .networks.utmos import load_utmos

RATE = 16_000  # Hz, for all models


class OneOpinion(AudioMetric):
    """Base of the metrics whose network gives one score per wave; a subclass has one column and defines `network`."""

    version = 1
    reads = ()

    def network(self) -> nn.Module:
        """(samples,) at RATE -> a scalar."""
        raise NotImplementedError

    def load(self, device: torch.device) -> None:
        self._model = self.network().to(device)
        self._device = device

    def unload(self) -> None:
        del self._model

    @torch.inference_mode()
    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        (column,) = self.columns
        waves = [torch.from_numpy(audio.read(conversion.path, RATE)).to(self._device) for conversion in conversions]
        return [[Measurement(column, float(self._model(wave)))] for wave in waves]


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
        folder = weights.find("dnsmos")
        self._model = DNSMOS.__new__(DNSMOS)  # its own __init__ takes every core
        self._model.onnx_sess = InferenceSession(folder / "sig_bak_ovr.onnx", options)
        self._model.p808_onnx_sess = InferenceSession(folder / "model_v8.onnx", options)

    def unload(self) -> None:
        del self._model

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        return [self._opinions(audio.read(conversion.path, RATE)) for conversion in conversions]

    def _opinions(self, wave: np.ndarray) -> list[Measurement]:
        found = self._model(np.clip(wave, -1, 1), RATE, is_personalized_MOS=False)
        keys = {"dnsmos_overall": "ovrl_mos", "dnsmos_speech": "sig_mos", "dnsmos_background": "bak_mos"}
        return [Measurement(column, float(found[key])) for column, key in keys.items()]


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
