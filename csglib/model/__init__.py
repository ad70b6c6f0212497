"""The network: the paper's figure, one file a box.

Letters for axes, the same everywhere: `b` clip, `t` frame, `n` patch of a frame, `s` token of a
sequence, `d` token width, `h` head, `e` width of a head, `i` query, `j` key, `g` sequence, `c`
channel, `y` row, `x` column; `k` class tokens of a clip. Names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
