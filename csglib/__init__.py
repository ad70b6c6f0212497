"""CSG-3DCT, a network that grades carotid stenosis from ultrasound clips, and what surrounds it.

Every public name is imported when it is first used: `import csglib` alone loads nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csglib.data.clips import Clip as Clip
    from csglib.data.clips import network_input as network_input
    from csglib.data.clips import resample as resample
    from csglib.data.readers import read_clip as read_clip
    from csglib.data.readers.limits import ClipError as ClipError
    from csglib.detect import find_vessel as find_vessel
    from csglib.metrics.scores import grade_scores as grade_scores
    from csglib.model.config import BASE as BASE
    from csglib.model.config import CONFORMER_S as CONFORMER_S
    from csglib.model.config import PAPER as PAPER
    from csglib.model.config import TINY as TINY
    from csglib.model.config import WARM as WARM
    from csglib.model.csg3dct import CSG3DCT as CSG3DCT
    from csglib.model.pretrained import load_conformer as load_conformer
    from csglib.phantom.simulate import make_clip as make_clip
    from csglib.train.config import TrainConfig as TrainConfig
    from csglib.train.fit import fit as fit
    from csglib.train.networks import NETWORKS as NETWORKS
    from csglib.train.networks import build_network as build_network
    from csglib.view.capture import attention_maps as attention_maps
    from csglib.widgets.explorer.explorer import AttentionExplorer as AttentionExplorer

_HOMES = {
    "csglib.data.clips": "Clip network_input resample",
    "csglib.data.readers": "read_clip",
    "csglib.data.readers.limits": "ClipError",
    "csglib.detect": "find_vessel",
    "csglib.metrics.scores": "grade_scores",
    "csglib.model.config": "BASE CONFORMER_S PAPER TINY WARM",
    "csglib.model.csg3dct": "CSG3DCT",
    "csglib.model.pretrained": "load_conformer",
    "csglib.phantom.simulate": "make_clip",
    "csglib.train.config": "TrainConfig",
    "csglib.train.fit": "fit",
    "csglib.train.networks": "NETWORKS build_network",
    "csglib.view.capture": "attention_maps",
    "csglib.widgets.explorer.explorer": "AttentionExplorer",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)  # noqa: PLE0605  # a list all the same


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"csglib has no name {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
