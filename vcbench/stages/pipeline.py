"""Training and conversion together: a system converts as soon as it is trained."""

from __future__ import annotations

from vcbench.base.jobs import Progress
from vcbench.run.run import Run
from vcbench.stages.convert import conversion_jobs
from vcbench.stages.train import training_jobs


def train_and_convert(run: Run, progress: Progress) -> None:
    """Train what is not trained, and have every row convert the trial list as soon as it can."""
    training = training_jobs(run, run.systems)
    converting = conversion_jobs(run, [job.name for job in training])
    run.engine.run([*training, *converting], progress)
