"""Your own clips: `examine(folder)` reports what to fix, `deidentify` writes a cohort."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
