"""FlowVC: a flow trained only for likelihood, converting by encoding and decoding."""

from __future__ import annotations

from ..shared.mel_flow.settings import MelFlowConfig
from ..shared.mel_flow.system import MelFlow


class FlowVC(MelFlow):
    """Encodes the source with its own speaker's condition, decodes with the target's. See README.md."""

    name = "flowvc"
    summary = "FlowVC: a conditioned normalizing flow trained by likelihood alone, the baseline of the AE-Flow paper."
    Config = MelFlowConfig
