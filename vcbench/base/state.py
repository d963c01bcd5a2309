"""State files that can be checked: JSON and Parquet with a checksum of their content.

A file that was cut, emptied or changed is never read as if it were whole: `read_state` and `read_parquet` raise
`DamagedFile`, which says which file, what is wrong, and what to do.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vcbench.base.errors import UserError
from vcbench.base.files import ReadOnlyError, hash_json, whole_file, write_json

CHECKSUM = b"vcbench.checksum"
logger = logging.getLogger(__name__)


class DamagedFile(UserError):
    """A file that vcbench wrote and that is no longer what it wrote."""


def write_state(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, with a checksum of the content under ``checksum``."""
    plain = json.loads(json.dumps(content))
    write_json(path, plain | {"checksum": hash_json(plain)})


def write_memo(path: Path, content: dict[str, Any]) -> None:
    """As `write_state`, for what only saves time later: where it may not be written, a warning says so."""
    try:
        write_state(path, content)
    except ReadOnlyError as error:
        logger.warning("%s It is not remembered what was read, which costs time the next time.", error)


def read_state(path: Path, remedy: str) -> dict[str, Any]:
    """Read what `write_state` wrote, without the checksum.

    Args:
        remedy: a sentence for the error: what makes the file again.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it is not what was written.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedFile(f"{path} cannot be read ({error}). {remedy}") from error
    if not isinstance(content, dict) or "checksum" not in content:
        raise DamagedFile(f"{path} is damaged, or was written by an older vcbench: it has no checksum. {remedy}")
    if content.pop("checksum") != hash_json(content):
        raise DamagedFile(f"{path} is damaged: its content does not match its checksum. {remedy}")
    return content


def find_state(path: Path) -> dict[str, Any] | None:
    """As `read_state`, for a file that is made again if need be: None, with a warning, if damaged; None if absent."""
    try:
        return read_state(path, "It is made again.")
    except FileNotFoundError:
        return None
    except DamagedFile as error:
        logger.warning("%s", error)
        return None


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write Parquet, with a checksum of names and values in its metadata; the index is not kept."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({CHECKSUM: _hash_table(arrow)})
    with whole_file(path) as temporary:
        pq.write_table(arrow, temporary)


def read_parquet(path: Path, columns: Sequence[str], remedy: str) -> pd.DataFrame:
    """Read what `write_parquet` wrote.

    Args:
        columns: that it must have.
        remedy: a sentence for the error: what makes the file again.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it is not Parquet, is cut or changed, or lacks a column.
    """
    try:
        arrow = pq.ParquetFile(path).read()
        expected = (arrow.schema.metadata or {}).get(CHECKSUM)
        changed = expected is not None and expected != _hash_table(arrow)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, MemoryError, pa.ArrowException) as error:
        raise DamagedFile(f"{path} cannot be read ({error}). {remedy}") from error
    if expected is None:
        raise DamagedFile(f"{path} is damaged, or was written by an older vcbench: it has no checksum. {remedy}")
    if changed:
        raise DamagedFile(f"{path} is damaged: its content does not match its checksum. {remedy}")
    missing = [name for name in columns if name not in arrow.column_names]
    if missing:
        raise DamagedFile(f"{path} is damaged: it has no column {missing[0]!r}. {remedy}")
    return arrow.to_pandas(ignore_metadata=True)


def _hash_table(table: pa.Table) -> bytes:
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(json.dumps([name, column.to_pylist()]).encode())
    return digest.hexdigest().encode()


def find_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame | None:
    """As `read_parquet`, for a file that is made again if need be: None, with a warning, if damaged; None if absent."""
    try:
        return read_parquet(path, columns, "It is made again.")
    except FileNotFoundError:
        return None
    except DamagedFile as error:
        logger.warning("%s", error)
        return None
