from .config import SMOKE as SMOKE
from .config import TrainConfig as TrainConfig
from .experiment import Experiment as Experiment
from .experiment import trained as trained
from .fit import predict as predict
from .networks import NETWORKS as NETWORKS
from .networks import build_network as build_network
from .predictions import Predictions as Predictions
