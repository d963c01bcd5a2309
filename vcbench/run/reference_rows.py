"""Reference rows of the leaderboard: recordings and simple conversions that no system made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from vcbench.speech.utterance import Speaker, Utterance
from vcbench.speech.world import convert_with_world

Vocode = Callable[[list[Tensor]], list[Tensor]]


def source(source: Utterance, target: Speaker, target_utterance: Utterance, vocode: Vocode) -> Tensor:
    """The source recording, unconverted: the floor of similarity to the target, the ceiling of intelligibility."""
    return source.wave


def target(source: Utterance, target: Speaker, target_utterance: Utterance, vocode: Vocode) -> Tensor:
    """Another real recording of the target: the ceiling of similarity."""
    return target_utterance.wave


def oracle(source: Utterance, target: Speaker, target_utterance: Utterance, vocode: Vocode) -> Tensor:
    """The recording of the row `target` through the vocoder: the best that a system with mel output can reach."""
    return vocode([target_utterance.mel])[0]


def world(source: Utterance, target: Speaker, target_utterance: Utterance, vocode: Vocode) -> Tensor:
    """WORLD (Morise et al. 2016): the target's F0 range and vocal-tract length, by signal processing alone."""
    return convert_with_world(source, target.utterances)


ROWS: dict[str, Callable[..., Any]] = {"source": source, "oracle": oracle, "target": target, "world": world}
