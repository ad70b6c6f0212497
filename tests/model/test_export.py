"""Every network of Table 1 exported, compiled, in half precision; gradients of each clip."""

import subprocess
import sys
from dataclasses import replace
from functools import cache

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from onnxruntime import InferenceSession
from torch import nn
from torch.func import functional_call, grad, vmap

from csglib import CSG3DCT, PAPER, TINY, build_network
from csglib.model.config import VARIANTS
from csglib.model.weights import load_weights, write_weights
from csglib.train.experiment import Experiment
from csglib.train.networks import load_initial_weights

from ..small_networks import SMALL

pytestmark = pytest.mark.filterwarnings(  # torch's own, as it traces
    "ignore:There is a performance drop:UserWarning",  # attention, a clip at a time
    "ignore:`isinstance:FutureWarning",
    "ignore:_check_is_size:FutureWarning",
    "ignore:The tensor attributes self.lstm:UserWarning",
)
SHORT = replace(TINY, stages=(TINY.stages[0], TINY.stages[-1]), classes=3)
BUILDS = SMALL | {"short": lambda classes, frames: CSG3DCT(SHORT)}
PAPER_SIZE = {"paper": lambda classes, frames: CSG3DCT(replace(PAPER, classes=classes))}
BATCH = ({0: torch.export.Dim("b", max=64)},)
LONG = pytest.mark.long


def quick(*names):
    """All builds; those of other names take long."""
    return [pytest.param(name, marks=() if name in names else LONG) for name in BUILDS]


@pytest.fixture(autouse=True)
def without_runtime_checks():
    """As users have it, and faster."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def clips(batch, frames=8, size=32):
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 3, frames, size, size, generator=generator)


@cache
@torch.no_grad()
def network(name, frames=8):
    """In evaluation mode; no layer's weights are zero."""
    torch.manual_seed(0)
    model = (BUILDS | PAPER_SIZE)[name](3, frames).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm3d) and not part.weight.any():
            nn.init.constant_(part.weight, 0.5)  # a non-local block needs a batch's statistics
            part.train().momentum = 1.0
    model(clips(3, frames))
    return model.eval()


@cache
def program(name, *sizes):
    return torch.export.export(network(name, *sizes[:1]), (clips(2, *sizes),), dynamic_shapes=BATCH)


def assert_same(run, name, *sizes):
    for batch in (1, 2, 3):
        wanted = network(name, *sizes[:1])(clips(batch, *sizes))
        assert wanted.std() > 1e-3
        torch.testing.assert_close(run(clips(batch, *sizes)), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", quick("uniformer", "short"))
@torch.no_grad()
def test_an_exported_program_takes_any_batch(name):
    assert_same(program(name).module(), name)


CASES = [(name,) for name in BUILDS] + [("tiny", 16), ("paper", 8, 64)]


@LONG
@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case)))
@torch.no_grad()
def test_onnx_runtime_agrees(case):
    """Of a network, and of frames and size where they are not 8 and 32."""
    onnx = torch.onnx.export(program(*case), dynamo=True, verbose=False)
    session = InferenceSession(onnx.model_proto.SerializeToString())
    given = session.get_inputs()[0].name
    assert_same(lambda clip: torch.from_numpy(session.run(None, {given: clip.numpy()})[0]), *case)


@LONG
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_exported(name):
    """In its full size, without weights."""
    with torch.device("meta"):
        model, clip = build_network(name).eval(), torch.empty(2, 3, 8, 256, 256)
        exported = torch.export.export(model, (clip,), dynamic_shapes=BATCH).module()
        assert exported(torch.empty(3, 3, 8, 256, 256)).shape == (3, 2)


@pytest.mark.parametrize("name", quick("short", "i3d", "mtv"))
def test_gradients_of_each_clip_at_once(name):
    model = network(name)
    parameters = {key: value.detach() for key, value in model.named_parameters()}

    def loss(parameters, clip, grade):
        return F.cross_entropy(functional_call(model, parameters, clip[None]), grade[None])

    batch, grades = clips(3), torch.tensor([0, 2, 1])
    together = vmap(grad(loss), (None, 0, 0))(parameters, batch, grades)
    for index, pair in enumerate(zip(batch, grades, strict=True)):
        for key, wanted in grad(loss)(parameters, *pair).items():
            found = together[key][index]
            assert (found - wanted).norm() <= 1e-4 * wanted.norm() + 1e-6, key


COMPILE = """
import sys
import torch
from csglib import CSG3DCT, TINY, build_network
from dataclasses import replace
short = replace(TINY, stages=(TINY.stages[0], TINY.stages[-1]))
for name in sys.argv[1:]:
    network = CSG3DCT(short) if name == "short" else build_network(name, size=32)
    compiled = torch.compile(network.eval(), fullgraph=True, backend="eager")
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(compiled(clips), network(clips))
"""
REST = [name for name in SMALL if name != "cnn_lstm"]  # torch compiles no LSTM


@LONG
@pytest.mark.parametrize("names", [["short"], REST])
def test_one_graph_is_compiled(names):
    """In a process of its own, since torch.compile cannot trace the runtime checks of tests."""
    subprocess.run([sys.executable, "-c", COMPILE, *names], check=True)


@pytest.mark.parametrize("name", quick("short", "nl_i3d", "vivit", "uniformer"))
@torch.no_grad()
def test_half_precision_is_near(name):
    wanted = network(name)(clips(3))
    for dtype, error in ((torch.bfloat16, 0.05), (torch.float16, 0.005)):
        with torch.autocast("cpu", dtype):
            found = network(name)(clips(3)).float()
        assert (found - wanted).norm() < error * wanted.norm()


# The classifiers of one stage, of several, and of two heads.
@pytest.mark.parametrize("name", ["timesformer", "tpn", "tiny"])
def test_another_number_of_grades_leaves_the_classifiers_random(name, tmp_path):
    trained, path = SMALL[name](2, 8), tmp_path / "best.safetensors"
    write_weights(path, trained.state_dict(), {})
    model = SMALL[name](3, 8)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    left = load_initial_weights(model, str(path))
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key] if key in left else trained.state_dict()[key])
    assert left == [key for key in before if before[key].shape != trained.state_dict()[key].shape]
    assert {before[key].shape[0] for key in left} == {3}
    with pytest.raises(ValueError, match=f"{len(left)} of another shape"):
        load_weights(model, path)
    assert load_initial_weights(SMALL[name](2, 8), str(path)) == []


def test_classifiers_that_start_at_random_are_named(tmp_path, capsys):
    path = tmp_path / "best.safetensors"
    write_weights(path, SMALL["tiny"](2, 8).state_dict(), {})
    Experiment(network="tiny", size=32, init=str(path)).build()
    assert capsys.readouterr().out == ""
    Experiment(network="tiny", size=32, classes=4, init=str(path)).build()
    said = capsys.readouterr().out
    assert "best.safetensors is of another number of grades" in said
    assert "but for head.classify.weight, head.classify.bias, which start at random" in said
