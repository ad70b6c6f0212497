"""What the widgets refuse, and that each teaching widget loads alone."""

import re
import subprocess
import sys

import pytest
import traitlets

import csgcourse.widgets

REFUSED = {  # a value of each trait that is out of range, and what the error says
    "AttentionExplorer": {
        "query": (145, "0 to 144: got 145"), "block": (6, "block must be 1 to 5: got 6"),
        "frame": (0, "frame must be 1 to 3: got 0"), "head": (5, "head must be 0 to 4: got 5"),
        "other_block": (0, "other_block must be 1 to 5: got 0"),
        "view": ("sideways", "view must be one of .*: got 'sideways'"),
    },
    "Balance": {
        "clips": ("half", "half"),
        "reading": ("tanh", "tanh"), "start": (0.7, "start"), "weight_decay": (1.0, "weight_decay"),
        "guess": (1.2, "guess"), "step": (301, "step"),
    },
    "CostDial": {"frames": (65, "65"), "side": (1, "1"), "guess_8": (7, "7")},
    "PatchAttention": {
        "patch": (48, "patch must be 0 to 47: got 48"),
        "frame": (0, "frame must be 1 to 3: got 0"),
        "head": (5, "head must be 0 to 4: got 5"),
        "block": (6, "block must be 1 to 5: got 6"), "guess": ("far", "far"),
    },
    "PhantomStudio": {
        "number": (0, "0"), "stenosis": (101, "101"), "side": ("lateral", "lateral"),
        "plaque": ("V", "V"), "frame": (14, "14"), "guess": ("moderate", "moderate"),
    },
    "Switchboard": {
        "target": ("depth", "depth"), "query": ("space", "space"), "guess": ("own own", "own own"),
    },
    "TableReader": {
        "first": ("vivit", r"first must be one of .*: got 'vivit'"),
        "second": ("vivit", r"second must be one of .*: got 'vivit'"), "sort": ("recall", "sort"),
    },
    "TokenExplorer": {
        "token": (145, "token must be 0 to 144: got 145"),
        "axis": ("depth", "axis"), "guess": ("perhaps", "guess"),
    },
    "WiringMap": {
        "spot": ("c6", "c6"), "network": ("WARM", "WARM"), "measure": ("time", "time"),
        "guess": ("t3", "t3"),
    },
}  # fmt: skip
ONE_BY_ONE = """
import sys
import csgcourse.widgets as widgets
for name in sys.argv[1:]:
    before = set(sys.modules)
    getattr(widgets, name)
    print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("make_widget", REFUSED, indirect=True)
def test_values_out_of_range_are_refused(make_widget):
    widget = make_widget()
    before = widget.get_state()
    for name, (value, message) in REFUSED[type(widget).__name__].items():
        with pytest.raises(traitlets.TraitError, match=message):
            setattr(widget, name, value)
    assert widget.get_state() == before


def test_each_widget_loads_no_other_and_no_annex_that_it_does_not_need():
    annexes = ("TableReader", "PhantomStudio")  # last, so that what they load is not counted
    names = [name for name in csgcourse.widgets.__all__[::-1] if name not in annexes]
    loaded = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, *names, *annexes],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name, modules in zip([*names, *annexes], loaded, strict=True):
        own = re.findall(r"csgcourse\.widgets\.\S+", modules)
        assert own == [getattr(csgcourse.widgets, name).__module__]
        assert name in annexes or not re.search(r"csglib\.(table1|phantom|doctor)\b", modules)


def test_an_unknown_widget_is_refused_by_name():
    with pytest.raises(AttributeError, match=r"No csgcourse\.widgets attribute CostDail"):
        _ = csgcourse.widgets.CostDail
