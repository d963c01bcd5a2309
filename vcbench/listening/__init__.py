"""Blinded listening tests: what is asked (design), the clips (clips, anchors), and the package (bundle, webmushra)."""
