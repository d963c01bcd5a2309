from .system import AEFlow

__all__ = ["AEFlow"]
