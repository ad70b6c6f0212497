"""Which places of which frames speak for a grade: Grad-CAM over time, and the input's gradient.

Source of Grad-CAM: section 3, Fig. 4; Selvaraju et al. 2017, carried over from rows and columns to
time. A channel's weight is the gradient of the grade's logit, averaged over the whole clip; only
positive evidence is kept. The paper says of Fig. 4 only that it looks at "models without temporal
downsampling", of SlowFast at the fast branch. The layers are our choice, see `Target`.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import einsum, reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.model.csg3dct import CSG3DCT
from csglib.view.capture import batch_of, evaluating

Volume = Float[Tensor, "b c t y x"]


class Target(NamedTuple):
    """Finds the layer that Grad-CAM looks at, which runs once in a pass and returns one tensor.

    A network's class has its own as `cam_target`: the last layer that still has places and frames.

    `volume` brings that tensor, or its gradient, to channels, time, rows and columns. It only moves
    numbers, and leaves out class tokens, which have no place.
    """

    layer: Callable[[Any], nn.Module]
    volume: Callable[[Any, Tensor], Volume] = lambda _, found: found


def target_of(network: nn.Module) -> Target:
    """Of a `CSG3DCT` the CNN's last volume, of others their class attribute `cam_target`.

    What only the class token has is not in the CNN's last volume. A ValueError without a target.
    """
    if isinstance(network, CSG3DCT):
        return Target(lambda network: network.convs[-1].second)
    target: Target | None = getattr(network, "cam_target", None)
    if target is None:
        name = type(network).__name__
        raise ValueError(f"no target layer of a {name} is known: give a Target, of this module")
    return target


def grad_cam(
    network: nn.Module, clip: Clip, grade: int | None = None, target: Target | None = None
) -> Float[Tensor, "t rows columns"]:
    """Where and when the network sees evidence for a grade: 0 for none, 1 for most in the clip.

    The whole clip has one scale, so frames can be compared; clips and networks cannot. Rows and
    columns are the layer's own. A layer with fewer time steps than the clip has frames repeats each
    of them: for the two frames of a tubelet, patch or pooled pair, in UniFormer and MViT from the
    one on which the first kernel is centred; in SlowFast's slow pathway for the frame it reads and
    the three it skips.

    Args:
        network: anything in `csglib.train.networks.NETWORKS`; keeps its mode and gradients.
        clip: one that fits it.
        grade: index of the grade to look for; by default the predicted one.
        target: where to look; by default `target_of` the network.

    Returns:
        The map; zeros if nothing speaks for the grade.

    Raises:
        ValueError: no such grade, no target for the network, or a target that does not work.
    """
    cam = raw_cam(network, clip, grade, target)
    frames, steps = len(clip.frames), len(cam)
    pace = round(frames / steps)
    step = (torch.arange(frames) // pace).clamp(max=steps - 1)
    return (cam / cam.max() if cam.any() else cam)[step]


def raw_cam(
    network: nn.Module, clip: Clip, grade: int | None = None, target: Target | None = None
) -> Float[Tensor, "steps rows columns"]:
    """`grad_cam` in the layer's own time steps, and in the unit of a logit."""
    target = target_of(network) if target is None else target
    with _with_gradients(network):
        seen, logits = _watched(network, target.layer(network), clip)
        (gradient,) = torch.autograd.grad(logits[_chosen(logits, grade)], seen)
    features, slopes = (
        target.volume(network, part)[0].float() for part in (seen.detach(), gradient)
    )
    weights = reduce(slopes, "c t y x -> c", "mean")
    return einsum(weights, features, "c, c t y x -> t y x").relu().cpu()


def input_gradient(
    network: nn.Module, clip: Clip, grade: int | None = None, patch: int = 16
) -> Float[Tensor, "t rows columns"]:
    """How much a grade's logit changes with the input: |gradient|, summed over each patch.

    Source: Simonyan et al. 2014. Of any network; by default of the predicted grade. The three
    channels are one picture, so their gradients are added. A ValueError if there is no such grade.
    """
    with _with_gradients(network):
        frames = batch_of(network, clip).requires_grad_()
        logits = network(frames)[0]
        (slopes,) = torch.autograd.grad(logits[_chosen(logits, grade)], frames)
    picture = reduce(slopes.float().cpu(), "1 c t y x -> t y x", "sum").abs()
    return reduce(picture, "t (y a) (x b) -> t y x", "sum", a=patch, b=patch)


def _watched(
    network: nn.Module, layer: nn.Module, clip: Clip
) -> tuple[Tensor, Float[Tensor, " classes"]]:
    """Output of a layer, and the logits that follow from it."""
    seen: list[Tensor] = []

    def watch(part: nn.Module, given: tuple[Any, ...], found: Any) -> Tensor:
        if not isinstance(found, Tensor) or seen:
            said = "ran twice" if seen else f"returns a {type(found).__name__}"
            wanted = "a target layer runs once in a pass and returns one tensor"
            raise ValueError(f"{wanted}: this {type(part).__name__} {said}")
        # The backward pass ends here, so it also works if all weights are frozen. The next layer
        # gets a copy, since it may write into it.
        seen.append(found.detach().requires_grad_())
        return seen[0].clone()

    handle = layer.register_forward_hook(watch)
    try:
        logits = network(batch_of(network, clip))[0]
    finally:
        handle.remove()
    if not seen:
        name = type(layer).__name__
        raise ValueError(f"a target layer runs once in a pass: this {name} did not run")
    return seen[0], logits


def _chosen(logits: Float[Tensor, " classes"], grade: int | None) -> int:
    if grade is None:
        return int(logits.argmax())
    if not 0 <= grade < len(logits):
        raise ValueError(f"the network has grades 0 to {len(logits) - 1}: got {grade}")
    return grade


@contextmanager
def _with_gradients(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, with gradients even where the caller has switched them off."""
    recurrent = any(isinstance(part, nn.RNNBase) for part in network.modules())
    # On a GPU, cuDNN's LSTM has no backward pass in evaluation mode; torch's own has.
    plain = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
    with evaluating(network), torch.enable_grad(), plain:
        yield


def library_cam(
    network: nn.Module, clip: Clip, grade: int | None = None, target: Target | None = None
) -> Float[Tensor, "steps rows columns"]:
    """`raw_cam` by the library pytorch-grad-cam, which has many more methods of the kind."""
    from pytorch_grad_cam import GradCAM  # noqa: PLC0415  # seconds to import

    target = target_of(network) if target is None else target
    network = copy.deepcopy(network)  # the library leaves gradients, and after an error its hooks
    layer, frames = target.layer(network), batch_of(network, clip)
    wanted = [lambda logits: logits[_chosen(logits, grade)]]
    with _with_gradients(network):
        # Not as a context manager, which swallows errors. The clip requires a gradient, since with
        # frozen weights nothing else does.
        cam = GradCAM(network, [layer], partial(target.volume, network))
        cam(frames.requires_grad_(), wanted)  # returns maps scaled and smoothed to pixels
        kept = cam.activations_and_grads
        found, slopes = kept.activations[0].numpy(), kept.gradients[0].numpy()
        raw = cam.get_cam_image(frames, layer, wanted, found, slopes)[0]
    return torch.from_numpy(np.maximum(raw, 0))
