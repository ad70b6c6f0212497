"""The course's exercises: check a function, get hints, go on without solving, see your progress.

Chapters and widgets name their sources in the paper; all else here is not in the paper.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
