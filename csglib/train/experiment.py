"""One experiment: a network, where it starts from, a plan; and what came of it on the test clips.

Source: section 3, "Dataset and Implementations". The paper does not say which epoch's weights it
tests; ours are those of the lowest validation loss.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from csglib.data.atomic import replacing
from csglib.data.cohort import ClipSet, digest, read_cohort
from csglib.model.checkpoints import read_checkpoint
from csglib.model.csg3dct import CSG3DCT
from csglib.model.pretrained import load_conformer
from csglib.model.weights import load_weights
from csglib.table1.baselines.image_weights import load_image_weights
from csglib.train.config import TrainConfig
from csglib.train.fit import fit, leads, predict
from csglib.train.networks import build_network
from csglib.train.predictions import Predictions
from csglib.train.runs import Epoch

TEST = "test.csv"  # predictions of the test clips


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained.

    Attributes:
        network: one of `csglib.train.networks.NETWORKS`.
        frames: length of its clips.
        size: their rows and columns.
        classes: grades.
        start: a file of weights, of this network or of the 2D one that it is inflated from, or the
            name of a public checkpoint; "" for random ones. Of a kept experiment, the start of the
            file's SHA-256: a folder may be moved, and files have the same names.
    """

    network: str = "csg3dct"
    frames: int = 8
    size: int = 256
    classes: int = 2
    start: str = ""

    @classmethod
    def kept_in(cls, folder: Path) -> "Experiment":
        """The experiment of a run.

        Raises:
            ValueError: there is none.
        """
        path = folder / "experiment.json"
        if not path.is_file():
            raise ValueError(f"{folder} holds no run of `python -m csglib train`")
        return cls(**json.loads(path.read_text()))

    def build(self, seed: int = 0) -> nn.Module:
        """The network as training begins.

        Raises:
            ValueError: there is no such network, or the weights do not fit; says which.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = build_network(self.network, self.classes, self.frames, self.size)
        if self.start:
            _start(network, self.start)
        return network

    def run(self, sides: Mapping[str, ClipSet], plan: TrainConfig) -> Iterator[Epoch]:
        """Train, one record an epoch, and leave test.csv in the end; again, it goes on.

        Raises:
            ValueError: clips of another length or size; a folder with another experiment; and
                whatever `csglib.train.fit.fit` refuses.
        """
        _check(self, sides["train"])
        network = self.build(plan.seed)
        noted = replace(self, start=_identity(self.start))
        noted._refuse_another(plan.folder)
        for record in fit(network, sides["train"], sides["validation"], plan):
            if leads() and record.epoch == 1:  # `fit` has refused nothing, and has a folder
                noted._write(plan.folder)
            yield record
        if not leads():
            return
        load_weights(network, plan.folder / "best.safetensors")
        logits = predict(network, sides["test"].frames, plan.batch)
        Predictions.of(logits, sides["test"]).write(plan.folder / TEST)

    def _refuse_another(self, folder: Path) -> None:
        if (folder / "experiment.json").is_file() and (found := self.kept_in(folder)) != self:
            raise ValueError(f"{folder} holds another experiment, {found}: wanted {self}")

    def _write(self, folder: Path) -> None:
        with replacing(folder / "experiment.json") as file:
            file.write(json.dumps(asdict(self), indent=2).encode())


def trained(folder: Path) -> nn.Module:
    """The network of a run, with its best weights, on a GPU if there is one, ready to be asked.

    Raises:
        ValueError: the folder holds no such run.
    """
    network = replace(Experiment.kept_in(folder), start="").build()
    load_weights(network, folder / "best.safetensors")
    return network.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def said_by(folder: Path, cohort: Path | None = None) -> Predictions:
    """What a run's network says of its own test clips, or of another cohort's.

    Raises:
        ValueError: the folder holds no finished run, or the cohort's clips do not fit.
    """
    if cohort is None:
        return Predictions.read(folder / TEST)
    experiment = Experiment.kept_in(folder)
    clips = read_cohort(cohort, experiment.size)["test"]
    _check(experiment, clips)
    return Predictions.of(predict(trained(folder), clips.frames), clips)


def _identity(start: str) -> str:
    path = Path(start)
    return digest(path)[:16] if start and path.is_file() else start


def _start(network: nn.Module, source: str) -> None:
    found = read_checkpoint(source)
    if found.keys() == network.state_dict().keys():
        load_weights(network, Path(source))
    elif isinstance(network, CSG3DCT):
        load_conformer(network, found)
    else:
        load_image_weights(network, found)


def _check(experiment: Experiment, clips: ClipSet) -> None:
    wanted = (experiment.frames, experiment.size, experiment.size)
    if clips.frames.shape[1:] != wanted or len(clips.grade_names) != experiment.classes:
        raise ValueError(
            f"wanted clips of {wanted} in {experiment.classes} grades: got "
            f"{clips.frames.shape[1:]} in {len(clips.grade_names)}"
        )
