"""Trained systems that come with vcbench: weights, a model card of each, index.json. `vcbench.api.pretrained` reads it."""
