"""A vocoder that trains in an hour on a CPU: a network reads pitch and envelopes, and signal processing makes the wave."""
