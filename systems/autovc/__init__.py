from .system import AutoVC, AutoVCConfig

__all__ = ["AutoVC", "AutoVCConfig"]
