from .probe import Grid as Grid
from .probe import Probe as Probe
from .simulate import make_clip as make_clip
from .simulate import make_video as make_video
from .speckle import Points as Points
from .speckle import echoes as echoes
