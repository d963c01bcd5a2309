"""A metric of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import soundfile

from vcbench.api import AudioMetric, Column
from vcbench.api.conversion import Conversion
from vcbench.api.scores import Measurement


class Loudness(AudioMetric):
    """Integrated loudness (ITU-R BS.1770) of a conversion, compared with its source."""

    name = "loudness"
    summary = "Measures how much louder or softer a conversion is than its source, in LU."
    columns: ClassVar[dict[str, Column]] = {"loudness": Column("Loudness difference (LU)", None, 1)}
    reads = ("source",)

    def settings(self) -> dict[str, Any]:
        return {"standard": "ITU-R BS.1770-4"}

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        return [[Measurement("loudness", self._difference(conversion))] for conversion in conversions]

    def _difference(self, conversion: Conversion) -> float:
        converted, rate = soundfile.read(conversion.path)
        source = conversion.source
        return self._loudness(converted, rate) - self._loudness(source.wave.numpy(), source.sampling_rate)

    @staticmethod
    def _loudness(wave: Any, rate: int) -> float:
        from pyloudnorm import Meter

        return float(Meter(rate).integrated_loudness(wave))
