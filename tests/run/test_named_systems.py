"""Systems that `all` leaves out, and metrics that a user leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w

from vcbench.base.settings import ConfigError
from vcbench.run import config
from vcbench.run.selection import select


@pytest.mark.parametrize("preset", config.presets())
def test_all_leaves_the_named_systems_out_and_naming_one_takes_the_presets_settings(preset: str) -> None:
    named = config.named_systems(preset)
    assert set(named) == {"autovc", "vqvc"}
    assert not named.keys() & select(preset, None, None, "all").systems.keys()
    chosen = select(preset, None, None, "all,autovc,vqvc").systems
    for row, settings in named.items():
        assert chosen[row]["training"]["steps"] == settings.get("training", {"steps": 100_000})["steps"]


def test_of_those_that_come_trained_all_leaves_the_named_ones_out_too() -> None:
    everything = select("quick", None, None, "all").systems
    assert list(select("quick", None, None, "all", trained=True).systems) == list(everything)
    assert [*everything, "autovc", "vqvc"] == list(select("quick", None, None, "all,autovc,vqvc", trained=True).systems)


def test_an_assignment_is_laid_over_a_named_systems_preset(tmp_path: Path) -> None:
    assigned = ["systems.vqvc.latent_weight=0.5", "systems.vqvc.training.steps=7"]
    vqvc = select("tiny", None, assigned, "vqvc").systems["vqvc"]
    assert (vqvc["latent_weight"], vqvc["training"]["steps"], vqvc["hidden"]) == (0.5, 7, 16)
    whole = tmp_path / "run.toml"
    whole.write_text(tomli_w.dumps(config.plain(select("tiny", None, assigned, "vqvc"))))
    assert select("quick", [whole], None, "all").systems["vqvc"] == vqvc


def test_a_metric_can_be_left_out() -> None:
    made = select("tiny", None, ["metrics.speaker_similarity_ge2e=false"], "autovc")
    assert "speaker_similarity_ge2e" not in made.metrics
    assert "speaker_similarity_ecapa" in made.metrics


@pytest.mark.parametrize("preset", ["quick", "standard"])
def test_a_system_given_ge2e_embeddings_is_scored_by_cam_plus_plus(preset: str) -> None:
    assert "speaker_similarity_campplus" in select(preset, None, None, "autovc,vqvc").metrics


def test_only_a_system_or_metric_that_is_there_can_be_left_out() -> None:
    assert "flowvc" not in select("tiny", None, ["systems.flowvc=false"], "all").systems
    for assignment in ("trials=false", "metrics.word_error_rat=false", "systems.again_vc.training=false"):
        with pytest.raises(ConfigError, match=assignment.partition("=")[0].replace(".", r"\.")):
            select("tiny", None, [assignment], "all")
