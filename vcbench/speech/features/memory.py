"""Features kept in memory, up to a limit."""

from __future__ import annotations

from collections import OrderedDict

from vcbench.speech.features.shards import Feature

FEATURES_LIMIT = 512 * 2**20  # bytes
WAVES_LIMIT = 64 * 2**20  # bytes: an utterance's features share one decoding, and scoring reads most waves once


class Memory:
    """Features by key; the least recently used are dropped first.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[str, Feature] = OrderedDict()
        self._bytes = 0

    def recall(self, key: str) -> Feature | None:
        """The feature, if it is kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def remember(self, key: str, feature: Feature) -> None:
        """Keep a feature, in place of one with the same key."""
        if key in self._kept:
            self._bytes -= size(self._kept.pop(key))
        self._kept[key] = feature
        self._bytes += size(feature)
        while self._bytes > self.limit:
            _, forgotten = self._kept.popitem(last=False)
            self._bytes -= size(forgotten)


def size(feature: Feature) -> int:
    """Bytes of a feature, with roughly those of Python's objects."""
    return sum(tensor.nbytes for tensor in feature[0].values()) + 1024
