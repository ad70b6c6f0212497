"""The paper's Table 1 on simulated clips: rows, runs, report, and the competitors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
