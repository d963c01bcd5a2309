from .system import VQVC, VQVCConfig

__all__ = ["VQVC", "VQVCConfig"]
