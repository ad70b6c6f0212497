"""Widgets of the course; each loads alone, at its first use.

Source: not in the paper.
"""

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csgcourse.widgets.balance import Balance as Balance
    from csgcourse.widgets.cost_dial import CostDial as CostDial
    from csgcourse.widgets.phantom_studio import PhantomStudio as PhantomStudio
    from csgcourse.widgets.self_test import SelfTest as SelfTest
    from csgcourse.widgets.switchboard import Switchboard as Switchboard
    from csgcourse.widgets.table_reader import TableReader as TableReader
    from csgcourse.widgets.time_stretch import TimeStretch as TimeStretch
    from csgcourse.widgets.token_explorer import TokenExplorer as TokenExplorer
    from csgcourse.widgets.wiring_map import WiringMap as WiringMap

__all__ = [
    "Balance", "CostDial", "PhantomStudio", "SelfTest", "Switchboard", "TableReader", "TimeStretch",
    "TokenExplorer", "WiringMap",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"csgcourse.widgets has no {name!r}; it has {', '.join(__all__)}")
    module = re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()  # CostDial is in cost_dial.py
    return getattr(import_module(f"{__name__}.{module}"), name)
