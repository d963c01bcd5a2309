from .system import NDFlow

__all__ = ["NDFlow"]
