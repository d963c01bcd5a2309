"""Small copies of every published layout, wrong roots, and the check of every file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vcbench.speech.corpora import MODULES, load_corpus
from vcbench.speech.corpora.check import check_corpus, foreign_script
from vcbench.speech.utterance import Corpus, CorpusError

RATE = 16_000


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def put_sound(path: Path, seconds: float = 0.5, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    soundfile.write(str(path), wave, RATE)


def by_speaker(corpus: Corpus) -> dict[str, list[str]]:
    return {speaker.id: [utterance.id for utterance in speaker.utterances] for speaker in corpus.speakers}


def texts(corpus: Corpus) -> dict[str, str | None]:
    return {utterance.id: utterance.text for utterance in corpus.utterances}


def test_vctk_092_takes_one_microphone(tmp_path: Path) -> None:
    audio = tmp_path / "VCTK-Corpus-0.92" / "wav48_silence_trimmed"
    for name in (
        "p225/p225_002_mic1",
        "p225/p225_002_mic2",
        "p225/p225_001_mic1",
        "p225/p225_001_mic2",
        "p226/p226_001_mic2",
    ):
        put_sound(audio / f"{name}.flac")
    put_sound(audio / "p315" / "p315_001_mic1.flac")
    put(audio / "log.txt", "x")
    put(audio.parent / "txt/p225/p225_001.txt", "Please call Stella. \n")
    put(audio.parent / "txt/p225/p225_002.txt", "Ask her.\n")
    put(audio.parent / "txt/p226/p226_001.txt", "Please call Stella.\n")
    put(
        audio.parent / "speaker-info.txt",
        "ID  AGE  GENDER  ACCENTS\np225  23  F    English\np226  22  M  English (x)\n",
    )
    for root in (tmp_path, audio.parent):
        corpus = load_corpus("vctk", root)
        assert by_speaker(corpus) == {"p225": ["p225_001", "p225_002"], "p226": ["p226_001"], "p315": ["p315_001"]}
        assert [u.path.stem[-4:] for u in corpus.utterances] == ["mic1", "mic1", "mic2", "mic1"]
        assert list(texts(corpus).values()) == ["Please call Stella.", "Ask her.", "Please call Stella.", None]
        assert [speaker.sex for speaker in corpus.speakers] == ["F", "M", None]


def test_vctk_080(tmp_path: Path) -> None:
    for name in ("p226/p226_001", "p225/p225_001", "s5/s5_001"):
        put_sound(tmp_path / "wav48" / f"{name}.wav")
        put(tmp_path / "txt" / f"{name}.txt", f"Words of {name}")
    put(
        tmp_path / "speaker-info.txt",
        "ID  AGE  GENDER  ACCENTS  REGION\n225  23  F  English  Southern England\n226  22  M\n",
    )
    corpus = load_corpus("vctk", tmp_path)
    assert by_speaker(corpus) == {"p225": ["p225_001"], "p226": ["p226_001"], "s5": ["s5_001"]}
    assert [speaker.sex for speaker in corpus.speakers] == ["F", "M", None]


def librispeech(root: Path, subset: str, speaker: str) -> None:
    chapter = root / subset / speaker / "7"
    for number in (1, 0):
        put_sound(chapter / f"{speaker}-7-000{number}.flac")
    put(chapter / f"{speaker}-7.trans.txt", f"{speaker}-7-0000 CHAPTER ONE\n{speaker}-7-0001 HE  SPOKE\n")


def test_librispeech(tmp_path: Path) -> None:
    librispeech(tmp_path, "train-clean-100", "103")
    librispeech(tmp_path, "train-clean-100", "14")
    table = (
        "; remark\n;ID  |SEX| SUBSET\n14   | F | train-clean-100  | 25.03 | A|B\n103  | M | train-clean-100 | 8.0 | C\n"
    )
    put(tmp_path / "SPEAKERS.TXT", table)
    corpus = load_corpus("librispeech", tmp_path)
    assert by_speaker(corpus) == {"103": ["103-7-0000", "103-7-0001"], "14": ["14-7-0000", "14-7-0001"]}
    assert texts(corpus)["14-7-0001"] == "HE SPOKE"
    assert [(speaker.sex, speaker.seen) for speaker in corpus.speakers] == [("M", None), ("F", None)]
    librispeech(tmp_path, "test-clean", "200")
    assert [(s.id, s.seen) for s in load_corpus("librispeech", tmp_path).speakers] == [
        ("103", True),
        ("14", True),
        ("200", False),
    ]


@pytest.mark.parametrize("table", ["speakers.tsv", "SPEAKERS.txt"])
def test_libritts(tmp_path: Path, table: str) -> None:
    chapter = tmp_path / "LibriTTS" / "dev-clean" / "84" / "121123"
    put_sound(chapter / "84_121123_000007_000001.wav")
    put(chapter / "84_121123_000007_000001.normalized.txt", "Doctor Smith came at three.")
    put(chapter / "84_121123_000007_000001.original.txt", "Dr. Smith came at 3.")
    tabbed = "READER\tGENDER\tSUBSET NAME\n84\tF\tdev-clean\tChristie\n"
    put(
        tmp_path / "LibriTTS" / table, tabbed if table == "speakers.tsv" else ";ID |SEX|\n84  | F | dev-clean | 8 | C\n"
    )
    corpus = load_corpus("libritts", tmp_path)
    assert texts(corpus) == {"84_121123_000007_000001": "Doctor Smith came at three."}
    assert [(speaker.id, speaker.sex, speaker.seen) for speaker in corpus.speakers] == [("84", "F", None)]


def test_cmu_arctic(tmp_path: Path) -> None:
    for voice in ("slt", "bdl", "new"):
        folder = tmp_path / f"cmu_us_{voice}_arctic"
        put_sound(folder / "wav" / "arctic_a0001.wav")
        put_sound(folder / "wav" / "arctic_a0002.wav")
        prompts = (
            '( arctic_a0001 "Author of the danger trail, Philip Steels, etc." )\n( arctic_a0002 "He said \\"no\\"." )\n'
        )
        put(folder / "etc" / "txt.done.data", prompts)
    corpus = load_corpus("cmu_arctic", tmp_path)
    assert by_speaker(corpus)["bdl"] == ["bdl-arctic_a0001", "bdl-arctic_a0002"]
    assert texts(corpus)["slt-arctic_a0001"] == "Author of the danger trail, Philip Steels, etc."
    assert texts(corpus)["slt-arctic_a0002"] == 'He said "no".'
    assert [(speaker.id, speaker.sex) for speaker in corpus.speakers] == [("bdl", "M"), ("new", None), ("slt", "F")]


def test_folder_with_texts_beside(tmp_path: Path) -> None:
    for number, suffix in enumerate(("wav", "flac", "ogg", "mp3")):
        put_sound(tmp_path / "Anna Ås" / f"say {number}.{suffix}")
    put(tmp_path / "Anna Ås" / "say 0.txt", "\ufeffHello  there.\n")
    put(tmp_path / "Anna Ås" / "say 1.txt", " \n")
    put_sound(tmp_path / "bob" / "a.WAV")
    put_sound(tmp_path / "bob" / "._a.wav")
    (tmp_path / ".git").mkdir()
    corpus = load_corpus("folder", tmp_path)
    assert by_speaker(corpus) == {"Anna__s": [f"Anna__s/say_{number}" for number in range(4)], "bob": ["bob/a"]}
    assert list(texts(corpus).values()) == ["Hello there.", None, None, None, None]
    assert {speaker.seen for speaker in corpus.speakers} == {None}
    assert "unknown" in corpus.licence


def test_folder_with_train_and_eval_and_tables(tmp_path: Path) -> None:
    for name in ("train/1/1-a", "train/2/2-a", "eval/3/3-a", "eval/3/3-b"):
        put_sound(tmp_path / f"{name}.wav")
    put(tmp_path / "transcripts.tsv", "utterance\ttext\n1-a\tOne.\n3/3-b\tThree b.\n")
    put(tmp_path / "speakers.tsv", "speaker\tage\tsex\n1\t30\tF\n3\t40\tmale\n")
    put(tmp_path / "LICENSE.TXT", "CC BY 4.0,\nmine")
    corpus = load_corpus("folder", tmp_path)
    assert texts(corpus) == {"1/1-a": "One.", "2/2-a": None, "3/3-a": None, "3/3-b": "Three b."}
    assert [(s.id, s.sex, s.seen) for s in corpus.speakers] == [("1", "F", True), ("2", None, True), ("3", "M", False)]
    assert corpus.licence == "CC BY 4.0, mine"


def folder_of_two(root: Path) -> None:
    for speaker in ("a", "b"):
        put_sound(root / speaker / "001.wav")


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (
            "transcripts.tsv",
            "id\ttext\n001\tx\n",
            r"must name the columns utterance, text.*missing: utterance; received: id, text",
        ),
        ("transcripts.tsv", "utterance\ttext\n001\n", r"row 2 has 1 column; 2 are needed"),
        ("transcripts.tsv", "utterance\ttext\n001\tx\n", r"'001' is the name of 2 recordings. Write <speaker>/001"),
        ("train/c/x.txt", "x", r"has train/ or eval/ with speakers in it, and also a, b"),
    ],
)
def test_folder_refuses(tmp_path: Path, path: str, content: str, message: str) -> None:
    folder_of_two(tmp_path)
    put(tmp_path / path, content)
    with pytest.raises(CorpusError, match=message):
        load_corpus("folder", tmp_path)


def test_folder_refuses_an_id_twice(tmp_path: Path) -> None:
    folder_of_two(tmp_path)
    put_sound(tmp_path / "a" / "001.flac")
    with pytest.raises(CorpusError, match=r"utterance 'a/001' occurs twice"):
        load_corpus("folder", tmp_path)
    for group in ("train", "eval"):
        shutil.copytree(tmp_path / "b", tmp_path / "groups" / group / "x")
    with pytest.raises(CorpusError, match=r"speaker 'x' occurs twice"):
        load_corpus("folder", tmp_path / "groups")


def test_text_in_another_encoding(tmp_path: Path) -> None:
    folder_of_two(tmp_path)
    (tmp_path / "a" / "001.txt").write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"001.txt is not UTF-8 text.*Convert it to UTF-8"):
        load_corpus("folder", tmp_path)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"mini", "folder"}))
def test_wrong_root_says_what_was_expected_and_found(tmp_path: Path, name: str) -> None:
    folder_of_two(tmp_path)
    with pytest.raises(CorpusError, match=rf"does not have the layout of {name}: expected .*; found a/, b/\."):
        load_corpus(name, tmp_path)
    with pytest.raises(CorpusError, match=r"needs its folder: give --corpus-root"):
        load_corpus(name)
    with pytest.raises(CorpusError, match=r"is not a folder"):
        load_corpus(name, tmp_path / "absent")


def test_folder_without_recordings(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(CorpusError, match=r"has no recording: for folder, expected <speaker>/.*; found a/"):
        load_corpus("folder", tmp_path)


def test_unknown_corpus() -> None:
    with pytest.raises(
        CorpusError, match=r"Unknown corpus 'libritss'. Did you mean 'libritts'\? Available: mini, vctk"
    ):
        load_corpus("libritss")


def damaged(root: Path) -> Corpus:
    for name in ("a/1", "a/2", "b/1", "b/2", "c/1"):
        put_sound(root / f"{name}.wav", 0.5 if name[0] == "a" else 1.0)
    put(root / "a" / "1.txt", "A naïve café.")
    put(root / "b" / "2.txt", "Пожалуйста, позовите Стеллу.")
    soundfile.write(str(root / "a" / "2.wav"), np.zeros(RATE), RATE)
    (root / "c" / "1.wav").write_bytes(b"")
    (root / "c" / "2.m4a").write_bytes(b"x" * 100)
    return load_corpus("folder", root)


def test_check_rejects_with_reasons(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    checked = check_corpus(damaged(tmp_path), workers=2, report=lambda done, total: calls.append((done, total)))
    reasons = dict(checked.rejected)
    assert sorted(reasons) == ["a/2", "b/2", "c/1", "c/2"]
    assert "silent" in reasons["a/2"]
    assert "Cyrillic" in reasons["b/2"]
    assert "empty" in reasons["c/1"]
    assert ".m4a" in reasons["c/2"]
    assert by_speaker(checked.corpus) == {"a": ["a/1"], "b": ["b/1"]}
    assert calls == [(done, 6) for done in range(1, 7)]


def test_check_remembers_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, cache = damaged(tmp_path / "corpus"), tmp_path / "cache" / "checked.json"
    first = check_corpus(corpus, cache=cache)
    decoded: list[Path] = []
    from vcbench.speech import audio

    original = audio.decode
    monkeypatch.setattr(audio, "decode", lambda path: decoded.append(path) or original(path))
    assert check_corpus(corpus, cache=cache) == first
    assert not decoded
    changed = corpus.root / "a" / "2.wav"
    put_sound(changed, 0.25)
    os.utime(changed, ns=(1, 1))
    again = check_corpus(corpus, cache=cache)
    assert decoded == [changed]
    assert by_speaker(again.corpus)["a"] == ["a/1", "a/2"]


def test_check_of_a_corpus_with_nothing_left(tmp_path: Path) -> None:
    folder_of_two(tmp_path)
    for speaker in ("a", "b"):
        put(tmp_path / speaker / "001.txt", "你好世界")
    with pytest.raises(
        CorpusError, match=r"None of the 2 utterances.*usable:\n  a/001: The transcript is not in Latin"
    ):
        check_corpus(load_corpus("folder", tmp_path))


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Plain words.", ""),
        ("1984!", ""),
        ("", ""),
        ("Ærø, naïve, Łódź", ""),
        ("The angle is β in this long sentence", ""),
        ("Καλημέρα", "Greek"),
        ("مرحبا", "Arabic"),
        ("नमस्ते", "Devanagari"),
        ("東京へ go", "Cjk"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    reason = foreign_script(text)
    assert (script in reason) if script else not reason


def test_real_corpora(shared: Path) -> None:
    speech = load_corpus("folder", shared / "corpora" / "librispeech-mini")
    assert (len(speech.speakers), len(speech.utterances)) == (261, 351)
    assert sum(speaker.seen is False for speaker in speech.speakers) == 10
    assert all(utterance.text for utterance in speech.utterances)
    vctk = load_corpus("vctk", shared / "corpora" / "vctk-mini")
    assert [(speaker.id, speaker.sex) for speaker in vctk.speakers] == [
        ("p225", "F"),
        ("p226", "M"),
        ("p227", "M"),
        ("p228", "F"),
    ]
    checked = check_corpus(vctk, workers=2)
    assert not checked.rejected
