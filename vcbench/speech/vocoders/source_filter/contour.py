"""The most likely contour of F0 through the network's classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

CHANGE = 0.3  # nats that a change by one class between two frames costs
LARGEST_CHANGE = 12.0  # nats
UNLIKELY = -20.0  # nats: the least likely a class can be
NEIGHBOURS = 3  # classes to either side that the most likely one is averaged with, by their likelihood


def contour(logits: Tensor, frequencies: Tensor) -> Tensor:
    """F0 by Viterbi's algorithm, refined between the classes.

    Args:
        logits: (pitches, frames).
        frequencies: (pitches,) Hz, of the classes.

    Returns:
        (frames,) Hz, on the CPU.
    """
    scores = logits.double().log_softmax(0).clamp_min(UNLIKELY).cpu().numpy()
    classes = len(scores)
    path = _best_path(scores)
    near = np.clip(path + np.arange(-NEIGHBOURS, NEIGHBOURS + 1)[:, None], 0, classes - 1)
    weights = np.exp(np.take_along_axis(scores, near, 0))
    logs = np.log(frequencies.double().cpu().numpy())[near]
    return torch.from_numpy(np.exp((weights * logs).sum(0) / weights.sum(0))).float()


def _best_path(scores: np.ndarray) -> np.ndarray:
    classes, frames = scores.shape
    grid = np.arange(classes)
    cost = np.minimum(CHANGE * np.abs(grid[:, None] - grid), LARGEST_CHANGE)
    best, came_from = scores[:, 0], np.zeros((frames, classes), dtype=np.int64)
    for frame in range(1, frames):
        ways = best[:, None] - cost
        came_from[frame] = ways.argmax(0)
        best = ways[came_from[frame], grid] + scores[:, frame]
    path = np.zeros(frames, dtype=np.int64)
    path[-1] = best.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path
