"""How time and memory grow with the work: scoring, tables and the report, and the store of features.

    python tests/measure_scale.py tables --systems 20 --trials 5000 --metrics 10
    python tests/measure_scale.py scoring --metric speaker_similarity_ge2e --counts 100 1000
    python tests/measure_scale.py features --counts 10000 100000

Each measurement runs in a process of its own. It prints wall seconds, seconds of the processor, which other work on the machine
does not change, and the most memory that the process held. Inputs are made in a temporary folder; scores and features are
made up, recordings are of the embedded corpus. results/scale.md has what came out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.made_up_scale import Loudness, large_run, made_utterances
from tests.support.recordings import FakeRun
from vcbench.reporting import publish
from vcbench.run import config
from vcbench.run.run import Run
from vcbench.run.trust import trust_everything
from vcbench.speech.features.prepare import prepare_features
from vcbench.speech.features.store import FeatureStore
from vcbench.stages.score_cache import evaluate

KINDS = ("mel", "pitch", "phones")


@contextmanager
def taken(what: str) -> Iterator[None]:
    """Print what the block took, and the process's peak of memory until then."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{what:44} {wall:8.2f} s, {processor:8.2f} s of the processor, {peak:6.0f} MiB", flush=True)


def alone(function: Callable[..., Any], *arguments: Any) -> None:
    """In a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{function.__name__} failed.")


def make_tables(folder: Path, systems: int, trials: int, metrics: int) -> None:
    large_run(folder, systems, trials, metrics)


def measure_tables(folder: Path) -> None:
    trust_everything()
    import vcbench.reporting.report.page  # noqa: F401  # its imports are no part of the work

    run = Run.open(folder)
    with taken("nothing yet"):
        pass
    with taken("tables"):
        board = publish.tabulate(run, {})
    with taken("leaderboard.md, .csv, .json, .tex"):
        publish.write_leaderboard(board, run.files)
    with taken("the same and the report"):
        publish.write_tables(run, board)
    print(f"{'report.html':44} {run.files.report.stat().st_size / 2**20:8.1f} MiB")


def measure_scoring(folder: Path, metric: str, count: int, seconds: float) -> None:
    from vcbench.bench.scoring import recordings

    torch.set_num_threads(1)
    run = Run(folder, config.parse(config.resolve("tiny")))
    made = recordings(run, count, seconds)
    made = [one.__class__(**{**vars(one), "audio_hash": str(index)}) for index, one in enumerate(made)]
    measured = Loudness() if metric == "loudness" else config.build_metric(metric, {})
    fake = FakeRun(score_cache=folder / "scores", conversions=made)
    with taken(f"{metric}, {count} recordings of {seconds:g} s made"):
        pass
    # Without the last step, which embeds the corpus's own recordings, as many for any number of conversions.
    measured.finish = lambda scores, run: scores  # type: ignore[attr-defined]
    with taken(f"{metric}, {count} scored"):
        scores = evaluate(measured, fake)
    with taken(f"{metric}, {count} from the cache"):
        assert evaluate(measured, fake) == scores


def make_features(folder: Path, count: int) -> None:
    store = FeatureStore(folder / "cache")
    with taken(f"{count} utterances written"), store.gather():
        for utterance, features in made_utterances(folder, count):
            for kind, feature in features.items():
                store._cache.put(kind, store._key(kind, utterance), feature)
        store.save_hashes()


def open_features(folder: Path, count: int) -> None:
    store = FeatureStore(folder / "cache")
    utterances = [one.with_features(store) for one, _ in made_utterances(folder, count)]
    with taken(f"{count} utterances listed"):
        pass
    with taken(f"{count} utterances found to be prepared"):
        prepared = prepare_features(store, utterances, KINDS)
    assert not prepared.rejected
    assert not prepared.fallbacks
    with taken(f"{count} mels read"):
        frames = sum(one.mel.shape[1] for one in utterances)
    files = [path for path in (folder / "cache").rglob("*") if path.is_file()]
    print(f"{count} utterances of {frames / count:.0f} frames: {len(files)} files")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    tables = commands.add_parser("tables")
    for name, default in (("systems", 20), ("trials", 5000), ("metrics", 10)):
        tables.add_argument(f"--{name}", type=int, default=default)
    scoring = commands.add_parser("scoring")
    scoring.add_argument(
        "--metric", default="loudness", help="an installed metric, or loudness, which costs next to nothing"
    )
    scoring.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 10_000])
    scoring.add_argument("--seconds", type=float, default=1.0)
    features = commands.add_parser("features")
    features.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    given = parser.parse_args()
    for count in getattr(given, "counts", [0]):
        with tempfile.TemporaryDirectory(prefix="vcbench-scale-") as name:
            folder = Path(name)
            if given.command == "tables":
                alone(make_tables, folder / "run", given.systems, given.trials, given.metrics)
                alone(measure_tables, folder / "run")
            elif given.command == "scoring":
                alone(measure_scoring, folder, given.metric, count, given.seconds)
            else:
                alone(make_features, folder, count)
                alone(open_features, folder, count)


if __name__ == "__main__":
    main()
