"""Settings that the flow systems share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .conditioned import ConditionedConfig


class MelFlowConfig(ConditionedConfig):
    """Sizes and switches of the conditioned flow. The defaults are the published sizes of a Glow-TTS decoder.

    Attributes:
        steps: steps of the flow; each is ActNorm, invertible 1x1 convolution, affine coupling.
        width, layers, dilation: with `kernel`, sizes of each coupling's WaveNet; layer i has dilation ``dilation ** i``.
        log_scale_limit: largest absolute log-scale of a coupling.
        condition_channels, condition_layers: sizes of the condition's encoder.
        use_phones: whether the condition has phones.
        use_energy: whether it has the frames' loudness, which the paper's has not. Without it, a system that learns from
            samples cannot know how loud a phone is: on `mini` a linear layer on this condition errs by 0.37 of a deviation
            after 1000 steps, with energy by 0.28.
        temperature: deviation of the prior's samples at decoding; has no effect where conversion encodes the source.
        noise: deviation of the Gaussian noise added to the normalised mel in training. It bounds the likelihood where
            a band is constant, e.g. above a recording's bandwidth, as dequantisation does for images.
    """

    steps: int = Field(12, ge=1)
    width: int = Field(192, ge=1)
    layers: int = Field(4, ge=1)
    dilation: int = Field(1, ge=1)
    log_scale_limit: float = Field(2.0, gt=0)
    condition_channels: int = Field(192, ge=1)
    condition_layers: int = Field(4, ge=1)
    use_phones: bool = True
    use_energy: bool = False
    temperature: float = Field(0.3, ge=0)
    noise: float = Field(0.1, ge=0)


class SamplingConfig(MelFlowConfig):
    """For the systems that learn from samples of the prior.

    Attributes:
        reconstruction_loss: "l1" or "l2", on the normalised mel.
    """

    reconstruction_loss: Literal["l1", "l2"] = "l1"
