"""One experiment: a network, its initial weights, a training config; and its test predictions.

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
from csglib.data.clips import check_fits
from csglib.data.cohort import ClipSet, digest, read_cohort
from csglib.model.weights import load_weights
from csglib.train.config import TrainConfig
from csglib.train.fit import fit, is_main_process, predict
from csglib.train.networks import build_network, load_initial_weights
from csglib.train.predictions import Predictions
from csglib.train.runs import Epoch

TEST = "test.csv"  # predictions of the test clips


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained.

    `init`, the initial weights, is a file, of this network or of the 2D one it is inflated from, or
    the name of a public checkpoint; "" means random ones. In a saved experiment it is the start of
    the file's SHA-256, because folders may be moved.
    """

    network: str = "csg3dct"  # key of `csglib.train.networks.NETWORKS`
    frames: int = 8  # of a clip
    size: int = 256  # its rows and columns
    classes: int = 2  # number of grades
    init: str = ""

    @classmethod
    def load(cls, folder: Path) -> "Experiment":
        """The experiment of a run; a ValueError if the folder holds none."""
        path = folder / "experiment.json"
        if not path.is_file():
            raise ValueError(f"{folder} holds no run of `csglib train`")
        try:
            fields = json.loads(path.read_bytes())
            if "start" in fields:  # the name that csglib 0.1 wrote
                fields["init"] = fields.pop("start")
            return cls(**fields)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is damaged ({error}): train in another folder") from error

    def build(self, seed: int = 0) -> nn.Module:
        """The network with its initial weights; a ValueError for weights that do not fit."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = build_network(self.network, self.classes, self.frames, self.size)
        if self.init:
            left = load_initial_weights(network, self.init)
            if left and is_main_process():
                said = f"loaded but for {', '.join(left)}, which start at random"
                print(f"{self.init} is of another number of grades: {said}", flush=True)
        return network

    def run(self, splits: Mapping[str, ClipSet], config: TrainConfig) -> Iterator[Epoch]:
        """Train, or resume training, and write the predictions of the test clips to test.csv.

        Raises:
            ValueError: clips of another length or size, a folder with another experiment, or
                whatever `csglib.train.fit.fit` refuses.
        """
        self.check(splits["train"])
        network = self.build(config.seed)
        init = digest(Path(self.init))[:16] if Path(self.init).is_file() else self.init
        saved, path = replace(self, init=init), config.folder / "experiment.json"
        if path.is_file() and (found := self.load(config.folder)) != saved:
            raise ValueError(f"{config.folder} holds another experiment, {found}: wanted {saved}")
        for record in fit(network, splits["train"], splits["validation"], config):
            if is_main_process() and record.epoch == 1:  # `fit` accepted everything
                with replacing(path) as file:
                    file.write(json.dumps(asdict(saved), indent=2).encode())
            yield record
        if is_main_process():
            load_weights(network, config.folder / "best.safetensors")
            logits = predict(network, splits["test"].frames, config.batch_size)
            Predictions.of(logits, splits["test"]).write(config.folder / TEST)

    def check(self, clips: ClipSet) -> None:
        """Refuse clips of another length, size or number of grades, by a ValueError."""
        check_fits(clips.frames.shape[1:], (self.frames, self.size, self.size))
        if (grades := len(clips.grade_names)) != self.classes:
            raise ValueError(f"wanted clips in {self.classes} grades: got {grades}")


def trained(folder: Path) -> nn.Module:
    """The network of a run with its best weights, in evaluation mode, on a GPU if there is one."""
    network = replace(Experiment.load(folder), init="").build()
    load_weights(network, folder / "best.safetensors")
    return network.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def test_predictions(folder: Path, cohort: Path | None = None) -> Predictions:
    """Predictions of a finished run on its own test clips, or on those of another cohort."""
    if cohort is None:
        return Predictions.read(folder / TEST)
    experiment = Experiment.load(folder)
    clips = read_cohort(cohort, experiment.size)["test"]
    experiment.check(clips)
    return Predictions.of(predict(trained(folder), clips.frames), clips)
