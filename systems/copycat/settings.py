"""CopyCat's settings."""

from __future__ import annotations

from pydantic import Field

from ..shared.mel_flow.conditioned import ConditionedConfig


class CopyCatConfig(ConditionedConfig):
    """Sizes, bottleneck and loss. README.md says where each default comes from.

    Attributes:
        phone_channels, phone_layers: sizes of the phone encoder.
        encoder_width, encoder_layers, encoder_dilation: sizes of the reference encoder; layer i has dilation
            ``encoder_dilation ** i``.
        decoder_width, decoder_layers, decoder_dilation: the same of the decoder.
        rate: the bottleneck's down-sampling rate: frames that share one latent vector.
        latent_channels: channels of the latent.
        divergence_weight: weight of the divergence of the posterior from the standard normal, in nats per value of the mel.
        annealing_steps: training steps in which that weight rises from 0.
    """

    phone_channels: int = Field(256, ge=1)
    phone_layers: int = Field(3, ge=1)
    encoder_width: int = Field(256, ge=1)
    encoder_layers: int = Field(4, ge=1)
    encoder_dilation: int = Field(2, ge=1)
    decoder_width: int = Field(256, ge=1)
    decoder_layers: int = Field(6, ge=1)
    decoder_dilation: int = Field(2, ge=1)
    rate: int = Field(8, ge=1)
    latent_channels: int = Field(16, ge=1)
    divergence_weight: float = Field(0.1, ge=0)
    annealing_steps: int = Field(20_000, ge=1)
