from systems.adain_vc.system import AdaINConfig, AdaINVC

__all__ = ["AdaINConfig", "AdaINVC"]
