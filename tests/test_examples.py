"""The example package keeps the contracts, and registers what its page says."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from vcbench.testing import check_metric, check_system

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"
POINTS = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["entry-points"]


@pytest.fixture(scope="module")
def package() -> Iterator[None]:
    sys.path.insert(0, str(PLUGIN))
    yield
    sys.path.remove(str(PLUGIN))


def loaded(point: str) -> type:
    module, _, name = point.partition(":")
    found: type = getattr(importlib.import_module(module), name)
    return found


def test_its_system_keeps_the_contract(package: None) -> None:
    check_system(loaded(POINTS["vcbench.systems"]["mean_shift"]))


def test_its_metric_keeps_the_contract(package: None) -> None:
    check_metric(loaded(POINTS["vcbench.metrics"]["loudness"]))


def test_its_page_shows_what_it_registers() -> None:
    page = (PLUGIN.parents[1] / "docs" / "own-system.md").read_text()
    assert all(f'{name} = "{point}"' in page for points in POINTS.values() for name, point in points.items())
