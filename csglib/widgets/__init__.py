"""Widgets for networks and runs: one Python class and one ES module each."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
