"""FlowVC: a flow trained only for likelihood, converting by encoding and decoding."""

from __future__ import annotations

from systems.mel_flow import MelFlow, MelFlowConfig


class FlowVC(MelFlow):
    """Encodes the source with its own speaker's condition, decodes with the target's. See README.md."""

    name = "flowvc"
    Config = MelFlowConfig
