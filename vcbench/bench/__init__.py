"""How fast training, conversion and scoring are on this machine."""
