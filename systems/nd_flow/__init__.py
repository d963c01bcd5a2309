from systems.nd_flow.system import NDFlow

__all__ = ["NDFlow"]
