from systems.flowvc.system import FlowVC

__all__ = ["FlowVC"]
