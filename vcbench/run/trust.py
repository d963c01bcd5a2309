"""A run's folder may come from a stranger: the Python files that its settings name are run only if the user said so.

Files that a user names in a command are trusted; so is everything under ``--allow-code``. Worker processes inherit that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vcbench.run.folder import RunError

VARIABLE = "VCBENCH_TRUSTED_CODE"  # paths, or EVERYTHING
EVERYTHING = "*"


def code_files(settings: Mapping[str, Any]) -> Iterator[Path]:
    """The Python files that the systems and metrics of a run's settings name."""
    for table in ("systems", "metrics"):
        for name, options in settings.get(table, {}).items():
            for plugin in (name, options.get("system") if isinstance(options, Mapping) else None):
                if isinstance(plugin, str) and ".py:" in plugin:
                    yield Path(plugin.rpartition(":")[0]).expanduser().resolve()


def trust_everything() -> None:
    os.environ[VARIABLE] = EVERYTHING


def trust(settings: Mapping[str, Any]) -> None:
    """Trust what settings name that the user gave."""
    known = _trusted()
    if EVERYTHING not in known:
        os.environ[VARIABLE] = os.pathsep.join(sorted({*known, *map(str, code_files(settings))}))


def require_trusted(settings: Mapping[str, Any], source: Path) -> None:
    """
    Raises:
        RunError: the settings in the file `source` name a Python file that the user did not name.
    """
    known = _trusted()
    unknown = [path for path in code_files(settings) if str(path) not in known]
    if unknown and EVERYTHING not in known:
        raise RunError(
            f"{source} names the Python file {unknown[0]}, and opening this run would run it. If you trust that file, add "
            "--allow-code."
        )


def _trusted() -> set[str]:
    return set(filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))
