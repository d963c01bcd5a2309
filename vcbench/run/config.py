"""The settings of a run: presets, their checks, and the classes that they name."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from vcbench.api import registry
from vcbench.api.metric import Metric
from vcbench.api.settings import SystemConfig
from vcbench.base.errors import did_you_mean
from vcbench.base.escape import brief
from vcbench.base.settings import (
    ConfigError,
    Strict,
    constructor_defaults,
    constructor_options,
    lay_over,
    merge,
    plain_json,
    read_toml,
    validate,
)
from vcbench.base.tracking import Tracker
from vcbench.run.trials import TrialSettings
from vcbench.speech.corpora import MODULES
from vcbench.speech.corpora.split import SplitSettings
from vcbench.speech.corpora.training_only import TrainingCorpus
from vcbench.speech.features.settings import MelSettings, PitchSettings
from vcbench.speech.vocoders.vocoder import VocoderSettings

ReferenceRow = Literal["source", "oracle", "target", "world"]
REFERENCE_ROWS: tuple[ReferenceRow, ...] = ("source", "oracle", "target", "world")

# Keys of a system's table that are not the system's own settings: its name, and the hash of the pretrained weights that it takes.
ROW_KEYS = ("system", "pretrained")

# A file with all of these, as a run's run.toml has, is a whole configuration: nothing of a preset is below it.
WHOLE = {"corpus", "features", "trials", "vocoder", "reference_rows", "systems", "metrics"}


class CorpusSettings(Strict):
    """Which speech; `root` is where it lies (the embedded `mini` needs none).

    `recognised_text` says that its texts are what a recogniser heard: every table then says so. `training_only` has further corpora
    to train on, of which no trial and no score is.
    """

    name: str = "mini"
    root: Path | None = None
    recognised_text: bool = False
    training_only: tuple[TrainingCorpus, ...] = ()
    split: SplitSettings = SplitSettings()


class FeatureSettings(Strict):
    mel: MelSettings = MelSettings()
    pitch: PitchSettings = PitchSettings()


class RunConfig(Strict):
    """Everything that decides a run's numbers, and `device`, `workers`, `engine`, `address` and `log`, which decide none.

    `systems` and `metrics` map a row's or metric's name to its settings; a system's table may hold ``system = "NAME"``
    to run one system under several settings, and ``pretrained = SHA256``, the weights that come with vcbench, so that it is
    not trained (`vcbench run --pretrained`). `preset` only records which preset they were laid over.
    """

    name: str = Field("quick", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    preset: str = ""
    seed: int = Field(0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = Field(0, ge=0)  # processes at once; 0 is one per core on a CPU, and one on a GPU
    engine: Literal["local", "ray"] = "local"  # this machine's processes, or a Ray cluster
    address: str = ""  # of the Ray cluster; empty: RAY_ADDRESS, this machine's, or a new one
    log: Tracker = "none"  # where training curves go besides train.jsonl; no number depends on it
    corpus: CorpusSettings = CorpusSettings()
    features: FeatureSettings = FeatureSettings()
    trials: TrialSettings = TrialSettings()
    vocoder: VocoderSettings = VocoderSettings()
    reference_rows: tuple[ReferenceRow, ...] = REFERENCE_ROWS
    systems: dict[str, dict[str, Any]]
    metrics: dict[str, dict[str, Any]]


def presets() -> list[str]:
    return sorted(
        path.name.removesuffix(".toml")
        for path in (resources.files("vcbench.run") / "presets").iterdir()
        if path.name.endswith(".toml")
    )


def resolve(preset: str, files: list[Path] | None = None, assignments: list[str] | None = None) -> dict[str, Any]:
    """A preset, with files laid over it in order, then ``key.key=value`` assignments (values as in TOML, or bare text).

    A file that is a whole configuration, as a run's run.toml is, replaces the preset and the files before it.
    """
    values = _laid_over(preset, files, assignments)
    named = values.pop("named", {})
    if isinstance(values.get("systems"), dict):
        values["systems"] = {
            row: merge(named.get(row, {}), own, f"systems.{row}") for row, own in values["systems"].items()
        }
    return values


def named_systems(preset: str, files: list[Path] | None = None, assignments: list[str] | None = None) -> dict[str, Any]:
    """Settings, in the tables ``named.SYSTEM``, of systems that run only if they are named: ``all`` leaves them out."""
    return _laid_over(preset, files, assignments).get("named", {})


def _laid_over(preset: str, files: list[Path] | None, assignments: list[str] | None) -> dict[str, Any]:
    if preset not in presets():
        raise ConfigError(f"There is no preset {preset!r}.{did_you_mean(preset, presets())}")
    values = tomllib.loads(((resources.files("vcbench.run") / "presets") / f"{preset}.toml").read_text())
    values["preset"] = preset
    for path in files or []:
        given = read_toml(path)
        values = given if given.keys() >= WHOLE else merge(values, given)
    return lay_over(values, None, assignments)


def parse(values: dict[str, Any]) -> RunConfig:
    """Check everything, each system's and metric's own settings too, and fill in what these leave to their defaults.

    Raises:
        ConfigError: an unknown key or a value out of range, with the nearest key or what is allowed.
    """
    config = validate(RunConfig, values, "")
    for key, one in (("name", config.corpus), *(("training_only", further) for further in config.corpus.training_only)):
        if one.name not in MODULES:
            allowed = did_you_mean(one.name, list(MODULES))
            raise ConfigError(f"corpus.{key} = {brief(one.name)!r}: there is no such corpus.{allowed}")
    for name, options in config.metrics.items():
        build_metric(name, options)  # refuses unusable options
    return config.model_copy(update=_resolved(config))


def _resolved(config: RunConfig) -> dict[str, Any]:
    """The settings of systems and metrics with all that they leave out, so that a later default changes no run."""
    systems = {}
    for row, settings in config.systems.items():
        own = system_config(row, settings)
        named = {key: settings[key] for key in ROW_KEYS if key in settings}
        systems[row] = named | (_without_none(plain_json(own)) if own else {})
    metrics = {
        name: constructor_defaults(registry.load("metrics", name)) | options for name, options in config.metrics.items()
    }
    return {"systems": systems, "metrics": metrics}


def pretrained_rows(config: RunConfig) -> list[str]:
    """The systems that are not trained in the run, but come trained."""
    return [row for row, settings in config.systems.items() if "pretrained" in settings]


def system_class(row: str, settings: dict[str, Any]) -> Any:
    name = settings.get("system", row)
    if not isinstance(name, str):
        raise ConfigError(f"systems.{row}.system = {name!r}: it must be text, the name of a system.")
    return registry.load("systems", name)


def system_config(row: str, settings: dict[str, Any]) -> BaseModel | None:
    """The validated settings of one system's row; None for a system without a Config.

    `system` says which class; `training` may be given in part, the rest is the system's own recipe.
    """
    config_class = getattr(system_class(row, settings), "Config", None)
    own = {key: value for key, value in settings.items() if key not in ROW_KEYS}
    if config_class is None:
        if own:
            raise ConfigError(f"systems.{row} takes no settings; received {', '.join(own)}.")
        return None
    if "training" in own:
        # A recipe may depend on the other settings, so these are read first.
        rest = validate(
            config_class, {key: value for key, value in own.items() if key != "training"}, f"systems.{row}."
        )
        own["training"] = merge(plain_json(rest)["training"], own["training"], f"systems.{row}.training")
    return validate(config_class, own, f"systems.{row}.")


def speaker_encoder(row: str, settings: dict[str, Any]) -> str | None:
    """The pretrained speaker encoder that conditions a row's system."""
    own = system_config(row, settings)
    return own.speaker_encoder if isinstance(own, SystemConfig) else None


def build_metric(name: str, options: dict[str, Any]) -> Metric:
    metric_class = registry.load("metrics", name)
    if not issubclass(metric_class, Metric):
        raise ConfigError(
            f"metrics.{name}: {metric_class.__name__} must derive from AudioMetric, SystemMetric or Metric."
        )
    where = f"metrics.{registry.row_name(name)}"
    given = constructor_options(metric_class, options, f"{where}.")
    try:
        return metric_class(**given)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def plain(config: RunConfig) -> dict[str, Any]:
    """The configuration as TOML can hold it: no None."""
    return _without_none(config.model_dump(mode="json"))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list | tuple) else value


def needed_features(config: RunConfig) -> tuple[set[str], float]:
    """The features that its systems need, and the largest share of training utterances in varied conditions."""
    needs, varied = {"mel"}, 0.0
    for row, settings in config.systems.items():
        needs |= set(getattr(system_class(row, settings), "needs", ()))
        own = system_config(row, settings)
        if isinstance(own, SystemConfig):
            varied = max(varied, own.training.varied_recordings)
    return needs, varied
