"""Pretrained models: where their weights are and how they are loaded."""
