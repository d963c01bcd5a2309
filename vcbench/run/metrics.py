"""The metrics of a run, built from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vcbench.api import registry
from vcbench.api.metric import Metric
from vcbench.base.settings import ConfigError
from vcbench.run import config


def build_metrics(settings: Mapping[str, dict[str, Any]]) -> dict[str, Metric]:
    """Each metric by its row name.

    Args:
        settings: options by installed name or ``file.py:Class``, as in the settings of a run.

    Raises:
        ConfigError: unusable options, or two metrics of one name.
    """
    metrics: dict[str, Metric] = {}
    for name, options in settings.items():
        row = registry.row_name(name)
        if row in metrics:
            raise ConfigError(f"Two metrics are called {row!r}; rename the class in {name.rpartition(':')[0]}.")
        metrics[row] = config.build_metric(name, options)
    return metrics
