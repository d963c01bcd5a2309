"""A normalizing flow over mel spectrograms, conditioned on phones, melody, voicing and speaker.

What FlowVC, ND-Flow and AE-Flow share: `settings`, `condition` (what every frame is told), `speaker` (whose voice),
`system` (the flow as a NeuralSystem).
"""

from systems.mel_flow.settings import MelFlowConfig, SamplingConfig
from systems.mel_flow.system import ConversionError, MelFlow

__all__ = ["ConversionError", "MelFlow", "MelFlowConfig", "SamplingConfig"]
