from systems.ae_flow.system import AEFlow

__all__ = ["AEFlow"]
