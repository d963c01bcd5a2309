"""Corpora that are only trained on: their speakers are trained on and told, and change neither trials nor probe."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import soundfile

from tests.support.small_run import nothing, stages
from vcbench.base.settings import ConfigError
from vcbench.base.state import read_state
from vcbench.reporting.export import export
from vcbench.run.folder import read_scores
from vcbench.run.run import Run
from vcbench.run.selection import open_run, select
from vcbench.run.trials import trials_hash
from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.training_only import TrainingCorpus, load_training_only
from vcbench.speech.utterance import Corpus, CorpusError
from vcbench.stages.prepare import prepare

DRAWN = ["systems.again_vc.training.draw=frames"]


@pytest.fixture
def speech(small_corpus: Corpus, tmp_path: Path) -> Path:
    """Three speakers with two recordings each; the third is kept from training by its folder."""
    root = tmp_path / "my speech"
    for place, speaker in zip(("train/one", "train/two", "eval/three"), small_corpus.speakers, strict=False):
        (root / place).mkdir(parents=True)
        for utterance in speaker.utterances[:2]:
            shutil.copy(utterance.path, root / place / utterance.path.name)
    return root


def run_with(folder: Path, *corpora: str, systems: str = "again_vc") -> Run:
    overlay = [f"corpus.training_only=[{', '.join(corpora)}]", "workers=1"]
    run = open_run("tiny", None, overlay, systems, folder.name, None, None, folder.parent)
    prepare(run, nothing)
    return Run.open(run.folder)


def table(root: Path) -> str:
    return f'{{name="folder", root="{root}"}}'


def test_a_corpus_to_train_on_gives_its_seen_speakers_under_its_name(speech: Path) -> None:
    mini = load_corpus("mini")
    found = load_training_only([TrainingCorpus(name="folder", root=speech)], mini)
    assert list(found) == ["my_speech"]
    assert [speaker.id for speaker in found["my_speech"].speakers] == ["my_speech/one", "my_speech/two"]
    assert all(u.id.startswith(f"{u.speaker}/") and u.held_out is False for u in found["my_speech"].utterances)
    own = load_corpus("folder", speech)
    assert list(load_training_only([TrainingCorpus(name="mini")], own)) == ["mini"]
    trained = load_training_only([TrainingCorpus(name="mini")], own)["mini"]
    assert len(trained.speakers) == sum(speaker.seen is not False for speaker in mini.speakers)
    assert len(trained.utterances) == sum(
        not u.held_out for s in mini.speakers if s.seen is not False for u in s.utterances
    )


def test_one_corpus_twice_the_runs_own_and_one_without_training_speakers_are_refused(speech: Path) -> None:
    mini, one = load_corpus("mini"), TrainingCorpus(name="folder", root=speech)
    for settings in ([one, one], [TrainingCorpus(name="mini")]):
        with pytest.raises(CorpusError, match="Two corpora have the name"):
            load_training_only(settings, mini)
    shutil.rmtree(speech / "train")
    with pytest.raises(CorpusError, match="no speaker to train on"):
        load_training_only([one], mini)


def test_a_missing_corpus_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is not a folder"):
        run_with(tmp_path / "runs" / "r", table(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"corpus.training_only = 'vctq': .* mean 'vctk'"):
        run_with(tmp_path / "runs" / "r", '{name="vctq"}')
    assert not (tmp_path / "runs" / "r").exists()


def test_trials_stay_as_they_are_and_every_text_names_the_corpus(speech: Path, tmp_path: Path) -> None:
    plain, run = run_with(tmp_path / "plain"), run_with(tmp_path / "more", table(speech))
    assert trials_hash(plain.trials) == trials_hash(run.trials)
    assert (plain.split.held_out, plain.split.unseen) == (run.split.held_out, run.split.unseen)
    further = [u for u in run.split.training if u.speaker.startswith("my_speech/")]
    assert [u for u in run.split.training if u not in further] == list(plain.split.training)
    assert {u.path.parent for u in further} == {speech / "train/one", speech / "train/two"}
    assert plain.prepared.corpus_hash != run.prepared.corpus_hash
    assert "Trained on my_speech as well: 4 utterances of 2 speakers, who are in no trial." in run.notes
    assert not any("as well" in line for line in plain.notes)


def test_a_recording_that_the_run_keeps_from_training_is_not_trained_on(speech: Path, tmp_path: Path) -> None:
    stranger = run_with(tmp_path / "plain").split.unseen[0]
    shutil.copy(stranger.path, speech / "train/one/stranger.ogg")
    run = run_with(tmp_path / "more", table(speech))
    assert "my_speech/one/stranger" not in {u.id for u in run.split.training}
    assert (
        "my_speech/one/stranger",
        "The run's own corpus has this recording, and keeps it from training.",
    ) in run.prepared.rejected


def test_a_recording_that_cannot_be_read_is_told(speech: Path, tmp_path: Path) -> None:
    soundfile.write(speech / "train/one/silence.wav", [0.0] * 22050, 22050)
    run = run_with(tmp_path / "more", table(speech))
    assert "my_speech/one/silence" in dict(run.prepared.rejected)
    assert sum(u.speaker == "my_speech/one" for u in run.split.training) == 2


def test_a_system_trained_on_both_says_so_in_manifest_methods_and_model_card(speech: Path, tmp_path: Path) -> None:
    (speech / "LICENSE.TXT").write_text("Ours, CC BY 4.0")
    config = select(
        "tiny",
        None,
        [f"corpus.training_only=[{table(speech)}]", "workers=1", "reference_rows=['source']", *DRAWN],
        "again_vc",
    )
    metrics = {name: config.metrics[name] for name in ("speaker_similarity_ge2e", "word_error_rate", "speaker_probe")}
    run = Run.create(tmp_path / "more", config.model_copy(update={"metrics": metrics}))
    stages(run)
    run = Run.open(run.folder)
    manifest = read_state(run.files.manifest, "")
    assert manifest["trained_also_on"] == {"my_speech": ["4 utterances", "2 speakers"]}
    assert manifest["settings"]["corpus"]["training_only"] == [{"name": "folder", "root": str(speech)}]
    assert (
        "of the corpus mini (version 2), which is synthetic speech, and on 4 utterances of 2 speakers of my_speech;"
        in (run.files.methods("md").read_text())
    )
    scores = read_scores(run.files, "speaker_probe")
    assert set(scores[scores["column"] == "probe_chance"]["value"]) == {1 / 4}  # of mini's four training speakers
    index = export(run, [], tmp_path / "out")
    assert (
        str(index.systems["again_vc"].origin) == "pretrained on mini (version 2) and my speech, preset tiny, 20 steps"
    )
    card = (tmp_path / "out" / "again_vc.md").read_text()
    assert (
        "4 utterances (0 minutes) of 2 speakers of the corpus my speech. Licence of the corpus: Ours, CC BY 4.0" in card
    )
    assert "All voices of scores are synthetic" in card
    assert 'Other than in the preset: training.draw="frames".' in card
    text = (run.files.leaderboard("md")).read_text()
    assert "Trained on my_speech as well" in text
