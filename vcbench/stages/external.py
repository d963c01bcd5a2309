"""Import speech that vcbench did not convert into a run's folder, so that it is scored like any other run.

Recordings are copied to FLAC under the run's names. An unusable conversion counts as a failure of its system; a trial with an
unusable source, target or enrolment is left out and listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from torch import Tensor

from vcbench.api import registry
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import ALL
from vcbench.base.files import hash_file, hash_json
from vcbench.base.nouns import counted, verb
from vcbench.base.state import write_parquet, write_state
from vcbench.run import config
from vcbench.run.config import RunConfig
from vcbench.run.folder import Prepared, StoredSpeaker, StoredSplit, StoredUtterance
from vcbench.run.run import Run
from vcbench.speech import audio
from vcbench.speech.ingest import CLIPPED, LOW_RATE, copy_audio
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.stages.convert import COSTS, conversion_key
from vcbench.stages.external_table import Recording, TableError, enrolment, read_table, recordings

EFFECTS = {LOW_RATE: "the models receive them without their upper band", CLIPPED: "they were scaled down"}
ALONE = {LOW_RATE: "the models receive it without its upper band", CLIPPED: "it was scaled down"}
REAL = "the sources and targets"


class ImportedAudio:
    """Speech that vcbench did not convert (`vcbench score`)."""

    summary = "Recordings that vcbench did not convert; `vcbench score` makes its rows. It cannot convert."
    produces: Literal["mel", "wave"] = "wave"

    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        raise TableError("These conversions were imported with `vcbench score`; there is no system to convert with.")


def settings(values: dict[str, Any], table: pd.DataFrame, out: Path) -> RunConfig:
    """A preset's settings for the systems of a table, with only those of its metrics that score recordings."""
    systems = list(dict.fromkeys(table["system"]))
    reserved = [name for name in systems if name in config.REFERENCE_ROWS]
    if reserved:
        raise TableError(f"The system name {reserved[0]!r} is the name of a reference row; rename the system.")
    metrics = {
        name: options
        for name, options in values["metrics"].items()
        if issubclass(registry.load("metrics", name), AudioMetric)
    }
    rows: Sequence[str] = config.REFERENCE_ROWS
    if not (table["enrolment"] != "").all():
        # Then the only recordings of a target are those that the system was given: no real one is left to compare with.
        rows = [row for row in rows if row not in ("target", "oracle")]
    corpus = {"name": "folder", "root": str((out / "recordings").resolve())}
    chosen = {
        "name": _run_name(out),
        "corpus": corpus,
        "systems": {name: {"system": "imported_audio"} for name in systems},
    }
    return config.parse(values | chosen | {"metrics": metrics, "reference_rows": list(rows)})


def _run_name(out: Path) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in out.resolve().name).strip("-") or "scored"


def import_table(path: Path, out: Path, values: dict[str, Any]) -> Run:
    """Make `out` a run's folder with all recordings of a table, ready for the reference rows and the metrics.

    Args:
        values: of a preset, from `vcbench.run.config.resolve`.

    Raises:
        TableError: the table cannot be read, or none of its trials can be scored.
    """
    table = read_table(path)
    run = Run.create(out, settings(values, table, out))
    found = recordings(path, table)
    utterances, rejected, flags = _copy_recordings(found, run)
    table["references"] = [[name] for name in table["target"]]
    table["enrolments"] = [
        enrolment(cell) or [row] for cell, row in zip(table["enrolment"], table["target"], strict=True)
    ]
    usable = [
        all(name in utterances for name in (row.source, *row.references, *row.enrolments)) for row in table.itertuples()
    ]
    if not any(usable):
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in rejected[:5])
        raise TableError(f"{path}: no trial has a usable source, target and enrolment.{reasons}")
    table = table[usable].copy()
    trials, names = _trials(table, utterances)
    _write_prepared(run, utterances, rejected)
    write_parquet(run.files.trials, trials)
    run = Run.open(out)  # again, with the files written above
    for system, own in table.assign(trial=names).groupby("system", sort=False):
        flags += _copy_conversions(run, str(system), path.parent, own)
    write_state(run.files.notes, {"lines": _notes(table, flags)})
    return run


def _notes(table: pd.DataFrame, flags: list[tuple[str, str]]) -> list[str]:
    """Notes for the tables' footnotes."""
    lines = []
    for (owner, flag), count in Counter(flags).items():
        lines.append(
            f"{counted(count, 'recording')} of {owner} {verb(count)} {flag}; {EFFECTS[flag] if count > 1 else ALONE[flag]}."
        )
    without = int((table["enrolment"] == "").sum())
    if without:
        lines.append(
            f"{without} of {counted(len(table), 'conversion')} {verb(without, 'has', 'have')} no enrolment: similarity is then "
            "measured against the recording that the system was given, and is therefore too high."
        )
        lines.append(
            "The reference rows target and oracle are left out: where a conversion has no enrolment, no other recording of the target "
            "is left for them."
        )
    return lines


def _copy_recordings(
    found: Mapping[str, Recording], run: Run
) -> tuple[dict[str, Utterance], list[tuple[str, str]], list[tuple[str, str]]]:
    """Utterances by their name in the table; (name, reason) of unusable recordings; (owner, flag) of flagged ones."""
    utterances, rejected, flags = {}, [], []
    speakers = {
        one: f"speaker{index:03d}" for index, one in enumerate(dict.fromkeys(r.speaker for r in found.values()))
    }
    for index, (name, recording) in enumerate(found.items()):
        speaker = speakers[recording.speaker]
        identity = f"{speaker}/r{index:05d}"
        copy = run.files.recordings / f"{identity}.flac"
        try:
            flags += [(REAL, flag) for flag in copy_audio(recording.path, copy, run.store.sampling_rate)]
        except audio.AudioError as error:
            rejected.append((name, str(error)))
            continue
        utterances[name] = Utterance(identity, speaker, copy, recording.text, held_out=True, features=run.store)
    return utterances, rejected, flags


def _trials(table: pd.DataFrame, utterances: Mapping[str, Utterance]) -> tuple[pd.DataFrame, list[str]]:
    """The trial list of all systems, and the trial of each row."""
    keys = [(row.source, row.target, row.enrolment) for row in table.itertuples()]
    numbers = {key: f"t{index:04d}" for index, key in enumerate(dict.fromkeys(keys))}
    firsts = {numbers[key]: row for key, row in reversed(list(zip(keys, table.itertuples(), strict=True)))}
    rows = [
        {
            "trial": trial,
            "condition": ALL,
            "sex_pair": "",
            "source": utterances[row.source].id,
            "source_speaker": utterances[row.source].speaker,
            "target_speaker": utterances[row.target].speaker,
            "references": [utterances[name].id for name in row.references],
            "enrolment": [utterances[name].id for name in row.enrolments],
            "target_utterance": utterances[row.target].id,
        }
        for trial, row in sorted(firsts.items())
    ]
    return pd.DataFrame(rows), [numbers[key] for key in keys]


def _write_prepared(run: Run, utterances: Mapping[str, Utterance], rejected: list[tuple[str, str]]) -> None:
    stored = tuple(
        StoredUtterance(
            id=u.id,
            speaker=u.speaker,
            text=u.text,
            span=None,
            held_out=True,
            path=u.path.relative_to(run.files.recordings).as_posix(),
        )
        for u in utterances.values()
    )
    speakers = tuple(
        StoredSpeaker(id=name, sex=None, seen=False) for name in sorted({u.speaker for u in utterances.values()})
    )
    Prepared(
        settings={"table": True},
        rejected=tuple(rejected),
        fallbacks=(),
        varied_fallbacks=(),
        corpus_hash=hash_json([[u.id, u.text, hash_file(u.path)] for u in utterances.values()]),
        split=StoredSplit(training=(), held_out=(), unseen=stored, speakers=speakers),
    ).write(run.files)


def _copy_conversions(run: Run, system: str, folder: Path, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Copy a system's conversions under the names of their trials, record its failures, and return flags as in `copy_audio`."""
    outcomes, flags = [], []
    for row in rows.sort_values("trial").itertuples():
        copy, error = run.files.conversion(system, row.trial), ""
        try:
            rate = run.store.sampling_rate
            flags += [(system, flag) for flag in copy_audio(folder / row.converted, copy, rate)]
        except audio.AudioError as problem:
            error = str(problem)
            copy.unlink(missing_ok=True)
        outcomes.append({"trial": row.trial, "error": error, "audio_hash": "" if error else hash_file(copy)})
    write_parquet(run.files.outcomes(system), pd.DataFrame(outcomes))
    costs = {"key": conversion_key(run, system), "done": True, "costs": dict.fromkeys(COSTS, 0)}
    write_state(run.files.conversion_state(system), costs)
    return flags
