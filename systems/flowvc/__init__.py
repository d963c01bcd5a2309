from .system import FlowVC

__all__ = ["FlowVC"]
