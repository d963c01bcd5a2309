from systems.again_vc.system import AgainConfig, AgainVC

__all__ = ["AgainConfig", "AgainVC"]
