"""Tracking: TensorBoard and Weights & Biases hold what train.jsonl holds; a missing package is said in a sentence."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vcbench.base import tracking as module
from vcbench.base.errors import UserError
from vcbench.base.tracking import require_tracker, tracking

BLOCK, FULL, LAST = 32768, 1, 4  # of LevelDB's log format
ROWS = [
    {"step": 10, "total": 2.0, "held_out_total": 2.5},
    {"step": 20, "total": 1.5, "held_out_total": 2.25},
    {"step": 30, "total": 1.25, "held_out_total": 2.0},
]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_reads_every_row_once_also_after_an_interruption(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with tracking("tensorboard", tmp_path, "run/system", {}) as track:
        for row in ROWS[:2]:
            track(row)
    with tracking("tensorboard", tmp_path, "run/system", {}) as track:  # the checkpoint was of step 10
        for row in ROWS:
            track(row)
    expected = {key: [(row["step"], row[key]) for row in ROWS] for key in ("total", "held_out_total")}
    assert curves(tmp_path) == expected


def wandb_records(file: Path) -> Iterator[Any]:
    """Records of an offline run: 7 bytes, then a log of LevelDB's format, whose records have a header of 7 bytes too."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = file.read_bytes(), 7, b""
    while at < len(data):
        if (left := BLOCK - at % BLOCK) < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (FULL, LAST):
            yield Record.FromString(whole)
            whole = b""


def test_wandb_gets_every_row_and_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with tracking("wandb", tmp_path, "run/system", {"hidden": 64}) as track:
        for row in ROWS:
            track(row)
    wandb.teardown()  # its process ends, so the file is complete
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    found, settings = [], {}
    for record in wandb_records(file):
        settings |= {item.key: item.value_json for item in record.run.config.update}
        if record.HasField("history"):
            items = {".".join(one.nested_key) or one.key: float(one.value_json) for one in record.history.item}
            found.append({key: items[key] for key in ("_step", "total", "held_out_total")})
    assert found == [{"_step": row["step"]} | {key: row[key] for key in row if key != "step"} for row in ROWS]
    assert settings["hidden"] == "64"


def test_nothing_is_written_without_a_tracker(tmp_path: Path) -> None:
    with tracking("none", tmp_path, "run/system", {}) as track:
        track(ROWS[0])
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_said_with_the_command_that_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    require_tracker("none")
    with pytest.raises(UserError, match=r"needs the package wandb.*pip install wandb"):
        require_tracker("wandb")
