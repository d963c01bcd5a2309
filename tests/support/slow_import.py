"""A job whose module takes long to import, as PyTorch does on a busy machine."""

from __future__ import annotations

import time

time.sleep(60)


def never(progress: object) -> None:
    raise AssertionError("nobody waits so long")
