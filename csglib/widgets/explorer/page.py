"""A live figure as a file of its own: its module and its data in one page, no kernel, no net.

Source: not in the paper. For a lesson's slides, or whoever has no Python.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 1040px; margin: 16px auto; padding: 0 8px; background: Canvas; }
$style
</style>
<main></main>
<noscript>This figure is drawn by JavaScript, which is switched off here.</noscript>
<script type="module">
const PLAIN = $plain;
const PACKED = $packed;
$module
$model
</script>
</html>
""")
_MODEL = Path(__file__).with_name("page.js")


def page(title: str, module: str, style: str, state: Mapping[str, Any]) -> str:
    """The page's text.

    Args:
        title: of its tab.
        module: an ES module that has a function `render({ model, el })`.
        style: its style sheet.
        state: traits by name; bytes and what JSON knows.
    """
    packed = {
        name: base64.b64encode(value).decode()
        for name, value in state.items()
        if isinstance(value, bytes)
    }
    plain = {name: value for name, value in state.items() if name not in packed}
    return _PAGE.substitute(
        title=title,
        module=module,
        style=style,
        model=_MODEL.read_text(encoding="utf-8"),
        # a "</script>" in a text would end the script: in JSON, < may be written so
        plain=json.dumps(plain).replace("<", "\\u003c"),
        packed=json.dumps(packed),
    )
