"""Figures that answer: one Python class and one hand-written ES module each."""

from csglib.view.widgets.balance import Balance
from csglib.view.widgets.clip_picker import ClipPicker
from csglib.view.widgets.cost_dial import CostDial
from csglib.view.widgets.explorer import AttentionExplorer
from csglib.view.widgets.phantom_studio import PhantomStudio
from csglib.view.widgets.self_test import SelfTest
from csglib.view.widgets.switchboard import Switchboard
from csglib.view.widgets.table_reader import TableReader
from csglib.view.widgets.time_stretch import TimeStretch
from csglib.view.widgets.token_explorer import TokenExplorer
from csglib.view.widgets.training_dashboard import TrainingDashboard
from csglib.view.widgets.wiring_map import WiringMap

__all__ = [
    "AttentionExplorer",
    "Balance",
    "ClipPicker",
    "CostDial",
    "PhantomStudio",
    "SelfTest",
    "Switchboard",
    "TableReader",
    "TimeStretch",
    "TokenExplorer",
    "TrainingDashboard",
    "WiringMap",
]
