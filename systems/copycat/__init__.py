from .system import CopyCat

__all__ = ["CopyCat"]
