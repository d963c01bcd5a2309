"""Reopening a run with further systems, metrics or reference rows."""

from __future__ import annotations

from pathlib import Path

from vcbench.run.config import RunConfig, parse, plain
from vcbench.run.folder import RunError

# keys that decide no number
WHERE_ONLY = ("device", "workers", "engine", "address", "log", "name", "preset")
GROWING = ("systems", "metrics", "reference_rows")  # tables that may gain rows in a run that exists


def extend(old: RunConfig, new: RunConfig, folder: Path) -> RunConfig:
    """The new settings plus the old run's further systems and metrics; refuses any other difference."""
    before, after = plain(old), plain(new)
    differing = [
        key
        for key in sorted(before.keys() | after.keys())
        if key not in (*WHERE_ONLY, *GROWING) and before.get(key) != after.get(key)
    ]
    for table in ("systems", "metrics"):
        differing += [
            f"{table}.{key}" for key in before[table] if key in after[table] and before[table][key] != after[table][key]
        ]
    if differing:
        raise RunError(
            f"{folder} was made with other settings: {', '.join(differing)}. "
            "Give the new run another --name or --runs, or delete that folder."
        )
    for table in ("systems", "metrics"):
        after[table] = before[table] | after[table]
    after["preset"] = before["preset"] or after["preset"]
    after["reference_rows"] = list(dict.fromkeys([*before["reference_rows"], *after["reference_rows"]]))
    return parse(after)
