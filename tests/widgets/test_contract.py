"""What every widget is without a page: a text, a still, and a state that a page can draw from."""

import base64
import io
import json
import re
import subprocess
import sys

from PIL import Image

LIVE = "application/vnd.jupyter.widget-view+json"


def test_it_shows_a_live_view_a_text_and_a_still(make_widget):
    text = repr(make_widget())
    for opened in (False, True):
        widget = make_widget(opened)
        bundle, _ = widget._repr_mimebundle_()
        assert set(bundle) == {"text/plain", LIVE, "image/png"}
        assert bundle["text/plain"] == repr(widget)
        assert bundle["text/plain"].startswith(f"{type(widget).__name__}(")
        assert not re.search(r"0x|object at|[0-9a-f]{32}", bundle["text/plain"])
        assert opened or bundle["text/plain"] == text  # the same in every run
        assert bundle[LIVE]["model_id"] == widget.model_id
        assert len(bundle["image/png"]) < 110_000  # git keeps every one
        assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).width > 400


def test_it_sends_less_than_a_megabyte_and_its_module_fetches_nothing(make_widget):
    widget = make_widget()
    assert widget._esm.count("export default") == 1
    assert not re.search(r"https?:|\bimport\b|fetch\(|@import|url\(", widget._esm + widget._css)
    sent = {name: value for name, value in widget.get_state().items() if name[0] != "_"}
    packed = sum(len(value) for value in sent.values() if isinstance(value, bytes))
    plain = {name: value for name, value in sent.items() if not isinstance(value, bytes)}
    text = json.dumps(plain)
    assert json.loads(text).keys() == plain.keys()
    assert packed + len(text) < 1_000_000


def test_the_kit_loads_no_torch_and_no_widget():
    code = "import sys, csglib.widgets.base; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    unwanted = r"torch|csglib\.(model|train|view|widgets\.(?!base)\w+)"
    assert not [name for name in loaded.stdout.split() if re.fullmatch(unwanted, name)]
