"""The paper's figure, one file a box.

Letters for axes, the same everywhere: `b` clip, `t` frame, `n` patch of a frame, `s` token of a
sequence, `d` token width, `h` head, `e` width of a head, `i` query, `j` key, `g` sequence, `c`
channel, `y` row, `x` column.
"""
