"""Controls: systems that copy the source or the target, to check that metrics tell them apart."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vcbench.speech.utterance import Speaker, Utterance


class CopySource:
    """Returns the source unchanged: must score like the reference row `source`."""

    summary = "A control that gives back the source: it must score like the reference row `source`."
    produces: Literal["mel", "wave"] = "wave"

    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return source.wave


class CopyTarget:
    """Returns the target's own recording: must match the similarity of the reference row `target`."""

    summary = (
        "A control that gives back a recording of the target: it must be as similar as the reference row `target`."
    )
    produces: Literal["mel", "wave"] = "wave"

    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return target.utterances[0].wave
