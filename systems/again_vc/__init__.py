from .system import AgainConfig, AgainVC

__all__ = ["AgainConfig", "AgainVC"]
