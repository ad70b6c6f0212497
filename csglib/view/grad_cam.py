"""Grad-CAM over time: which places of which frames speak for a grade, by the last feature maps.

Source: section 3, Fig. 4; Selvaraju et al. 2017, carried from rows and columns over to time. A
channel counts by how much the grade's logit gains with it, on average over the whole clip; only
what speaks for the grade is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import einsum, reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.view.cam_targets import Target, target_of
from csglib.view.evaluation import batch_of, evaluating


def grad_cam(
    network: nn.Module, clip: Clip, grade: int | None = None, target: Target | None = None
) -> Float[Tensor, "t rows columns"]:
    """Where and when the network sees evidence for a grade: 0 for none, 1 for most in the clip.

    One scale serves the whole clip, so frames can be compared; clips and networks cannot. Rows and
    columns are the layer's own. A layer with fewer steps in time than the clip has frames repeats
    each of them: a step of ViViT's and MTV's tubelets and of I3D's pooled pairs for its two frames,
    one of UniFormer for the frame on which its first kernel is centred and the next, one of
    SlowFast's slow pathway for the frame that it sees and the three that it skips.

    Args:
        network: anything in `csglib.train.networks.NETWORKS`; left as it came, in mode and
            gradients.
        clip: one that fits it.
        grade: index of the grade to look for; by default the network's answer.
        target: where to look; by default as `csglib.view.cam_targets.TARGETS` has it.

    Returns:
        The map; zeros if nothing speaks for the grade.

    Raises:
        ValueError: no such grade, a network without a target, or a target that does not work.
    """
    heat = raw_cam(network, clip, grade, target)
    frames, steps = len(clip.frames), len(heat)
    pace = round(frames / steps)
    step = (torch.arange(frames) // pace).clamp(max=steps - 1)
    return (heat / heat.max() if heat.any() else heat)[step]


def raw_cam(
    network: nn.Module, clip: Clip, grade: int | None = None, target: Target | None = None
) -> Float[Tensor, "steps rows columns"]:
    """The same as the layer has it: its own steps in time, and in the unit of a logit.

    Arguments and errors are those of `grad_cam`.
    """
    target = target_of(network) if target is None else target
    with _with_a_way_back(network):
        seen, logits = _watched(network, target.layer(network), clip)
        (gradient,) = torch.autograd.grad(logits[_chosen(logits, grade)], seen)
    features, slopes = (
        target.volume(network, part)[0].float() for part in (seen.detach(), gradient)
    )
    weights = reduce(slopes, "c t y x -> c", "mean")
    return einsum(weights, features, "c, c t y x -> t y x").relu().cpu()


def _watched(
    network: nn.Module, layer: nn.Module, clip: Clip
) -> tuple[Tensor, Float[Tensor, " classes"]]:
    """What a layer puts out, and the logits that follow from it."""
    seen: list[Tensor] = []

    def watch(part: nn.Module, given: tuple[Any, ...], found: Any) -> Tensor:
        if not isinstance(found, Tensor) or seen:
            said = "ran twice" if seen else f"puts out a {type(found).__name__}"
            raise ValueError(
                "a target layer runs once in a pass and puts out one tensor: this "
                f"{type(part).__name__} {said}"
            )
        # The way back ends here, and so also works if all weights are frozen. What follows gets a
        # copy, for it may write into it.
        seen.append(found.detach().requires_grad_())
        return seen[0].clone()

    handle = layer.register_forward_hook(watch)
    try:
        logits = network(batch_of(network, clip))[0]
    finally:
        handle.remove()
    if not seen:
        raise ValueError(
            f"a target layer runs once in a pass: this {type(layer).__name__} did not run"
        )
    return seen[0], logits


def _chosen(logits: Float[Tensor, " classes"], grade: int | None) -> int:
    if grade is None:
        return int(logits.argmax())
    if not 0 <= grade < len(logits):
        raise ValueError(f"the network tells grades 0 to {len(logits) - 1} apart: got {grade}")
    return grade


@contextmanager
def _with_a_way_back(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, with gradients even where the caller has switched them off."""
    recurrent = any(isinstance(part, nn.RNNBase) for part in network.modules())
    # On a GPU, cuDNN's LSTM has no way back in evaluation mode; torch's own has.
    plain = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
    with evaluating(network), torch.enable_grad(), plain:
        yield


class LibraryCam(NamedTuple):
    """What pytorch-grad-cam makes of a clip.

    Attributes:
        raw: before it is scaled and resized, to be compared with `raw_cam`.
        pixels: as the library gives it, 0 to 1: least and most evidence in the clip, with smooth
            curves between the middles of patches and of steps, the outer ones laid on the clip's
            ends. So it is smooth where nothing was measured, and shifted by up to half a patch.
    """

    raw: Float[Tensor, "steps rows columns"]
    pixels: Float[Tensor, "t y x"]


def library_cam(
    network: nn.Module, clip: Clip, grade: int | None = None, target: Target | None = None
) -> LibraryCam:
    """Grad-CAM by the library pytorch-grad-cam, which has many more methods of the kind.

    Arguments and errors are those of `grad_cam`.
    """
    from pytorch_grad_cam import GradCAM  # noqa: PLC0415  # seconds to import

    target = target_of(network) if target is None else target
    layer, frames = target.layer(network), batch_of(network, clip)
    wanted = [lambda logits: logits[_chosen(logits, grade)]]
    held = [(weights, weights.grad) for weights in network.parameters()]
    with _with_a_way_back(network):
        cam = GradCAM(network, [layer], partial(target.volume, network))
        try:
            # Not as its own context, which swallows errors. The clip wants a gradient, for where
            # all weights are frozen nothing else would.
            pixels = cam(frames.requires_grad_(), wanted)[0]
            kept = cam.activations_and_grads
            found, slopes = kept.activations[0].numpy(), kept.gradients[0].numpy()
            raw = cam.get_cam_image(frames, layer, wanted, found, slopes)[0]
        finally:
            cam.activations_and_grads.release()
            for weights, gradient in held:
                weights.grad = gradient  # it has left its own
    return LibraryCam(torch.from_numpy(np.maximum(raw, 0)), torch.from_numpy(pixels))
