"""A vocoder that needs minutes of training on a CPU: a network reads pitch and envelopes, and signal processing makes the wave."""
