"""A paragraph on how a run was made, for the methods section of a paper: from the run's own settings and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vcbench.api.pretrained import read_origin
from vcbench.api.scores import ALL
from vcbench.base import escape
from vcbench.base.files import write_text
from vcbench.base.nouns import counted
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.run.config import pretrained_rows
from vcbench.run.notes import trained_also
from vcbench.stats.scores import DRAWS, LEVEL

if TYPE_CHECKING:
    from vcbench.run.run import Run

VOCODERS = {
    "griffin-lim": "the Griffin-Lim algorithm",
    "source-filter": "vcbench's source-filter vocoder",
    "hifigan": "HiFi-GAN",
    "melgan": "MelGAN",
}
REFERENCES = {
    "source": "the unconverted source",
    "oracle": "a recording of the target resynthesised by the vocoder",
    "target": "a recording of the target",
    "world": "a conversion by WORLD that adapts F0 and vocal-tract length",
}


def write_methods(run: Run, board: Leaderboard, manifest: Mapping[str, Any]) -> None:
    """Write methods.md and methods.tex."""
    found = list(sentences(run, board, manifest))
    cite = manifest.get("citation", "")
    title = f"# Methods of {escape.markdown(board.name)}"
    markdown = " ".join(map(escape.markdown_note, found))
    write_text(run.files.methods("md"), f"{title}\n\n{markdown}\n\n```bibtex\n{cite}\n```\n")
    commented = "\n".join(f"% {line}" for line in cite.splitlines())
    write_text(run.files.methods("tex"), f"{' '.join(map(escape.tex, found))}\n\n{commented}\n")


def sentences(run: Run, board: Leaderboard, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Data, trials, systems, vocoder, metrics, statistics, software.

    Args:
        manifest: content of manifest.json; empty if the run has none.
    """
    yield from _data(run)
    yield from _systems(run)
    yield from _metrics(run, board)
    yield from _statistics(board)
    if manifest:
        versions = manifest["versions"]
        commit = f" (commit {manifest['git_commit'][:12]})" if manifest.get("git_commit") else ""
        yield (
            f"We used vcbench {versions['vcbench']}{commit} with PyTorch {versions['torch']} on {manifest['device']}; "
            f"the seed is {run.config.seed}, the trial list has SHA-256 {manifest['trials']['hash'][:16]}."
        )


def _data(run: Run) -> Iterator[str]:
    parts, trials = run.split, run.trials
    kind = ", which is synthetic speech" if run.corpus.synthetic else ""
    unseen = counted(len({u.speaker for u in parts.unseen}), "speaker")
    if parts.training and len(pretrained_rows(run.config)) < len(run.systems):
        also = trained_also(run.prepared.split)
        own = [one for one in run.prepared.split.training if not one.corpus]
        trained = f"{counted(len(own), 'utterance')} of {counted(len({one.speaker for one in own}), 'speaker')}"
        further = "".join(f", and on {count} of {people} of {label}" for label, (count, people) in also.items())
        yield f"We trained on {trained} of the corpus {run.corpus.title}{kind}{further}; {unseen} are not in training."
    else:
        yield f"The recordings are of {unseen} of the corpus {run.corpus.title}{kind}."
    settings = run.config.trials
    conditions = ", ".join(f"{name} {count}" for name, count in trials["condition"].value_counts(sort=False).items())
    listed = "" if set(trials["condition"]) == {ALL} else f" ({conditions})"
    given = {len(references) for references in trials["references"]}
    references = counted(given.pop(), "recording") if len(given) == 1 else counted(settings.references, "recording")
    pairs = zip(trials["references"], trials["enrolment"], strict=True)
    apart = "" if any(set(a) & set(b) for a, b in pairs) else "; similarity is measured against other recordings"
    yield (
        f"Each system converts the same {counted(len(trials), 'trial')}{listed}; "
        f"it is given {references} of the target{apart}."
    )


def _systems(run: Run) -> Iterator[str]:
    trained = []
    for row, settings in run.config.systems.items():
        recipe = None if "pretrained" in settings else settings.get("training")
        if recipe:
            batches = f"{recipe['batch_size']} x {counted(recipe['frames'], 'frame')}"
            name = f"{row} ({settings['system']})" if settings.get("system", row) != row else row
            trained.append(f"{name}, {counted(recipe['steps'], 'step')} of {batches}")
    if trained:
        yield f"The systems and their training: {'; '.join(trained)}."
    for row in pretrained_rows(run.config):
        yield f"The weights of {row} come with vcbench: {read_origin(run.files.checkpoint(row))}."
    others = [row for row, settings in run.config.systems.items() if not settings.get("training")]
    if others:
        yield f"{'Further systems' if trained else 'The systems'}, not trained here: {', '.join(others)}."
    vocoder, mel = run.config.vocoder, run.config.features.mel
    yield (
        f"Mel spectrograms have {counted(mel.n_mels, 'band')} at {mel.sampling_rate} Hz with a hop of {counted(mel.hop, 'sample')}; "
        f"{VOCODERS.get(vocoder.kind, vocoder.kind)} makes waveforms of them."
    )
    rows = [f"{REFERENCES[row]} ({row})" for row in run.config.reference_rows]
    if rows:
        yield f"For reference, we score {', '.join(rows)}."


def _metrics(run: Run, board: Leaderboard) -> Iterator[str]:
    shown = set(board.cells["column"])
    for name, metric in run.metrics.items():
        titles = [column.title for key, column in metric.columns.items() if key in shown and column.main]
        settings = ", ".join(f"{key} {value}" for key, value in metric.settings().items())
        if titles:
            yield f"{_listed(titles)}: {name}{f' ({settings})' if settings else ''}."


def _statistics(board: Leaderboard) -> Iterator[str]:
    yield (
        f"Figures are means over trials with {LEVEL:.0%} intervals, from dyadic cluster-robust standard errors over speakers and "
        f"the skew of {DRAWS} bootstrap draws of speakers (vcbench, docs/statistics.md)."
    )
    if len(board.systems) > 1:
        yield (
            "Systems are compared in pairs on the trials that both have, by two-sided t tests with the same standard errors and "
            f"Holm's correction over the pairs of a column; a difference counts at the {1 - LEVEL:.0%} level."
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
