"""Study files for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from vcbench.studies import study

TOY: dict[str, Any] = {
    "title": "A toy",
    "source": "Nobody 2026, Table 1",
    "system": "again_vc",
    "columns": ["probe_content", "reconstruction_error@seen", "parameters", "probe_chance"],
    "cells": [
        {"label": "none", "settings": {"activation": "none"}, "paper": {"probe_content": 0.686}},
        {"label": "sigmoid", "settings": {"activation": "sigmoid"}, "paper": {"probe_content": 0.017}},
    ],
    "metrics": {
        "speaker_probe": {"training_utterances": 4, "test_utterances": 4, "steps": 40},
        "reconstruction_error": {},
        "efficiency": {},
    },
    "presets": {"tiny": {"systems": {"again_vc": {"blocks": 2, "training": {"steps": 4}}}}},
    "claims": [
        {"text": "It hides the speaker", "cell": "sigmoid", "column": "probe_content", "relation": "below", "other": "none"},
        {"text": "Both are as large", "cell": "sigmoid", "column": "parameters", "relation": "above", "other": "none", "margin": 0.1},
    ],
    "draw": [
        {"kind": "bars", "y": "probe_content", "line": "probe_chance"},
        {"kind": "curve", "x": "reconstruction_error@seen", "y": "probe_content"},
    ],
}  # fmt: skip


LISTENING: dict[str, Any] = {
    "mos": {
        "rows": ["none", "sigmoid", "oracle"], "items": 2, "listeners": 4, "per_item": 2, "contrast": ["sigmoid", "none"],
    },
    "preference": {
        "rows": ["none", "sigmoid"], "condition": "unseen->unseen", "items": 1, "listeners": 2, "per_item": 2, "training": 0,
    },
}  # fmt: skip


GRID: dict[str, Any] = {
    key: value for key, value in TOY.items() if key not in ("cells", "claims", "draw")
} | {
    "grid": {"activation": ["none", "sigmoid"], "training.batch_size": [2, 3, 4]},
    "grid_label": "{activation} by {training.batch_size}",
}  # fmt: skip


def write(folder: Path, values: dict[str, Any], name: str = "toy") -> str:
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(values))
    return str(path)


def resolved(folder: Path, values: dict[str, Any], *assignments: str) -> study.Study:
    return study.resolve(write(folder, values), "tiny", None, list(assignments))
