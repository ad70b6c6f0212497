"""Sentences with code between backticks, as HTML.

Not in the paper: part of the course.
"""

import re
from html import escape


def html(sentences: str) -> str:
    """The sentences with everything escaped, and code set as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(sentences, quote=False))
