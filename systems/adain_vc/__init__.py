from .system import AdaINConfig, AdaINVC

__all__ = ["AdaINConfig", "AdaINVC"]
