"""A normalizing flow over mel spectrograms, conditioned on phones, melody, voicing and speaker.

FlowVC, ND-Flow and AE-Flow share it: `settings`, `condition` (the condition of every frame), `speaker` (the speaker
embedding), `system` (the flow as a NeuralSystem). CopyCat, no flow, shares `conditioned` (what such systems have in
common), `speaker` and the phones' positions.
"""

__all__ = ["MelFlow", "MelFlowConfig", "SamplingConfig"]
