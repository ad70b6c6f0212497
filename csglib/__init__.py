"""CSG-3DCT, a network that grades carotid stenosis from ultrasound clips, and what surrounds it.

Public names are listed in `__init__.pyi` and imported when they are first used, so that
`import csglib` alone loads nothing else.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
