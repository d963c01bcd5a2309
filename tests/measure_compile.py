"""What torch.compile gains in a training step on this machine's CPU: `python tests/measure_compile.py flowvc again_vc copycat`.

Two copies of an untrained system take steps in turn on the same batch, on one thread, one of them with a compiled loss. It prints
seconds of the processor, which other work on the machine hardly changes: of the first compiled step, and the medians of later ones.
"""

from __future__ import annotations

import argparse
import time
from copy import deepcopy
from statistics import median
from typing import Any

import torch

from vcbench.bench import speed
from vcbench.run import config
from vcbench.training.cost import WARM_UP, random_batch
from vcbench.training.step import Step


def taken(step: Step, batch: Any) -> float:
    started = time.process_time()
    step(batch)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args()
    torch.set_num_threads(1)
    device, settings = torch.device("cpu"), config.parse(config.resolve(given.preset))
    for row in given.systems:
        system: Any = speed.untrained(settings, row, device).train()
        compiled = deepcopy(system)
        compiled.loss = torch.compile(compiled.loss)
        recipe = system.config.training
        batch = random_batch(recipe, settings.features.mel.n_mels, device)
        steps = [Step(model, recipe) for model in (system, compiled)]
        first = taken(steps[1], batch)
        times = [[taken(step, batch) for step in steps] for _ in range(WARM_UP + given.steps)][WARM_UP:]
        eager, faster = (median(one) for one in zip(*times, strict=True))
        print(
            f"{row}: {eager:.3f} s, compiled {faster:.3f} s, {faster / eager:.2f}; the first compiled step {first:.1f} s"
        )


if __name__ == "__main__":
    main()
