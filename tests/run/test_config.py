"""Configurations: strict, with errors that name the key and what is near."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w

from vcbench.api.registry import RegistryError
from vcbench.base.settings import ConfigError
from vcbench.run import config
from vcbench.run.selection import select


@pytest.mark.parametrize("preset", config.presets())
def test_every_preset_is_valid_and_has_the_systems_of_all(preset: str) -> None:
    systems = {"flowvc", "nd_flow", "ae_flow", "adain_vc", "again_vc", "copycat"}
    assert set(config.parse(config.resolve(preset)).systems) == systems


def test_settings_are_laid_over_in_order(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("seed = 3\n[trials]\nper_condition = 5\n")
    values = config.resolve("quick", [file], ["trials.per_condition=7", "name=other"])
    parsed = config.parse(values)
    assert (parsed.seed, parsed.trials.per_condition, parsed.name) == (3, 7, "other")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("trials.per_conditon=3", r"Unknown key 'trials.per_conditon'. Did you mean 'per_condition'"),
        ("trials.per_condition=0", r"trials.per_condition = 0: .*greater than or equal to 1"),
        ("trials.per_condition=many", r"trials.per_condition = 'many': .*integer"),
        ("sede=3", r"Unknown key 'sede'. Did you mean 'seed'"),
        ("systems.again_vc.hiden=64", r"systems.again_vc.hiden.*Did you mean 'hidden'"),
        ("systems.again_vc.training.step=64", r"systems.again_vc.training.step'. Did you mean 'steps'"),
        ("metrics.word_error_rate.modle=base.en", r"Unknown key 'metrics.word_error_rate.modle'. Did you mean 'model'"),
        ("corpus.name=min", r"corpus.*'min'"),
    ],
)
def test_a_wrong_setting_is_told_with_the_nearest(assignment: str, message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        config.parse(config.resolve("quick", None, [assignment]))


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no preset 'quik'\. Did you mean 'quick'"):
        config.resolve("quik")
    with pytest.raises(RegistryError, match=r"no system 'again-vc'\. Did you mean 'again_vc'"):
        select("quick", None, None, "again-vc")
    with pytest.raises(RegistryError, match=r"no metric 'word_eror_rate'\. Did you mean 'word_error_rate'"):
        config.parse(config.resolve("quick", None, ["metrics.word_eror_rate={}"]))
    with pytest.raises(RegistryError, match="does not exist"):
        select("quick", None, None, "./nowhere.py:Mine")


def test_a_file_that_is_not_toml_is_told(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("seed = = 3")
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.resolve("quick", [file])


def test_a_training_table_given_in_part_keeps_the_rest_of_the_recipe() -> None:
    given = {"recipe": "original", "training": {"steps": 7}}
    training = config.system_config("adain_vc", given).training
    assert (training.steps, training.clip, training.batch_size) == (7, 5.0, 128)


def test_a_run_s_settings_are_a_whole_configuration(tmp_path: Path) -> None:
    """Nothing of a preset, and nothing of a file before it, is below it; what is after it is above it."""
    chosen = config.parse(
        config.resolve("paper", None, ["trials.per_condition=3"])
        | {"systems": {"again_vc": {"hidden": 24}}, "metrics": {"prosody": {}}, "reference_rows": []}
    )
    file, before = tmp_path / "run.toml", tmp_path / "before.toml"
    file.write_text(tomli_w.dumps(config.plain(chosen)))
    before.write_text("[systems.flowvc]\nwidth = 8\n")
    assert config.parse(config.resolve("quick", [before, file])) == chosen
    assert select("quick", [file], None, "all") == chosen
    more = config.parse(config.resolve("quick", [file, before], ["seed=7"]))
    assert (list(more.systems), more.seed, more.preset) == (["again_vc", "flowvc"], 7, "paper")


def test_settings_are_resolved_so_that_a_later_default_changes_nothing() -> None:
    parsed = config.parse(config.resolve("tiny"))
    again = parsed.systems["again_vc"]
    assert again["hidden"] == 16
    assert again["content_channels"] == 4  # the class's own default
    assert again["training"]["steps"] == 20
    assert "betas" in again["training"]  # the recipe's
    assert parsed.metrics["word_error_rate"]["model"] == "tiny.en"
    assert parsed.preset == "tiny"
    assert config.parse(config.plain(parsed)) == parsed
