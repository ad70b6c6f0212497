"""Exercises 1.1 to 1.6: inflation.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; Table SI. The task of 1.6 is our own.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import skip_init

from csgcourse.chapter_03 import whole
from csgcourse.exercise import Exercise, inputs

SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
"""Detects vertical edges: positive where it gets brighter to the right."""


def inflate_mean(kernel: Tensor, frames: int) -> Tensor:
    """Every slice gets an equal share of the kernel."""
    return torch.stack([kernel / frames] * frames, dim=2)


def inflate_center(kernel: Tensor, frames: int) -> Tensor:
    """The middle slice gets the kernel, the others zeros."""
    slices = [torch.zeros_like(kernel) for _ in range(frames)]
    slices[frames // 2] = kernel
    return torch.stack(slices, dim=2)


def same_length_padding(frames: int) -> int:
    """How far an odd kernel reaches beyond its middle, on either side."""
    return (frames - 1) // 2


def extra_weights(comes_in: int, width: int, blocks: int) -> int:
    """Weights that t = 3 adds to the first convolutions of a stage, two a block."""
    others = 2 * blocks - 1  # each gets what the convolution block before it puts out
    return 2 * (comes_in * width + others * 4 * width * width)


def inflate_conv(conv: nn.Conv2d, frames: int) -> nn.Conv3d:
    """The convolution inflated over an odd number of frames: a still clip gives its output."""

    class SameLength(nn.Conv3d):
        def forward(self, volume: Tensor) -> Tensor:
            reach = self.kernel_size[0] // 2
            longer = F.pad(volume, (0, 0, 0, 0, reach, reach), mode="replicate")
            return super().forward(longer)

    rows, columns = conv.kernel_size
    deep = SameLength(conv.in_channels, conv.out_channels, (frames, rows, columns))
    deep.stride, deep.padding = (1, *conv.stride), (0, *conv.padding)
    deep.weight = nn.Parameter(torch.stack([conv.weight.detach() / frames] * frames, dim=2))
    deep.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())
    return deep


def train_kernel(kernel: Tensor, clips: Tensor, labels: Tensor, steps: int) -> Tensor:
    """The kernel after some steps of gradient descent; each output channel is a class."""
    for _ in range(steps):
        kernel = kernel.detach().requires_grad_()
        logits = F.conv3d(clips, kernel).abs().mean(dim=(2, 3, 4))
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels), kernel)
        kernel = kernel - 1.0 * gradient
    return kernel.detach()


def moving_bars(count: int, seed: int) -> tuple[Float[Tensor, "n 1 8 8 16"], Int[Tensor, " n"]]:
    """Noisy clips of a vertical bar, every other one moving left (0), the others right (1).

    A bar moves 0.25 to 1 pixel a frame and is in the middle third half way through the clip.
    """
    generator, labels = torch.Generator().manual_seed(seed), torch.arange(count) % 2
    place, speed = torch.rand(2, count, 1, 1, 1, generator=generator)
    speed = (0.25 + 0.75 * speed) * (2 * labels - 1)[:, None, None, None]
    frame, column = torch.arange(8)[:, None, None] - 3.5, torch.arange(16)
    bars = torch.exp(-((column - 5 - 5 * place - speed * frame) ** 2) / 2).expand(-1, -1, 8, -1)
    return (bars + 0.1 * torch.randn(bars.shape, generator=generator))[:, None], labels


_CONVS = {  # of exercise 1.5: arguments of `nn.Conv2d`, by what messages call them
    "Conv2d(5, 3, 1)": (5, 3, 1),
    "Conv2d(2, 3, 3, padding=1, bias=False)": (2, 3, 3, 1, 1, 1, 1, False),
    "Conv2d(3, 2, 3, stride=2, padding=1)": (3, 2, 3, 2, 1),
}


def _convolve(function: Callable[..., object], conv: str, frames: int) -> object:
    """What the 3D layer made of a convolution does, and whether it can learn."""
    generator, flat = torch.Generator().manual_seed(1), skip_init(nn.Conv2d, *_CONVS[conv])
    for weights in flat.parameters():
        weights.data.normal_(generator=generator)
    deep = function(flat, frames)
    if not isinstance(deep, nn.Conv3d):
        return deep if deep is None or deep is ... else {"the layer": type(deep).__name__}
    clip = torch.randn(2, flat.in_channels, 5, 7, 7, generator=generator)
    return {
        "the layer": "Conv3d",
        "its output for a still clip": deep(clip[:, :, :1].expand_as(clip)).detach(),
        "its output for a moving clip": deep(clip).detach(),
        "numbers in it that learn": sum(p.numel() for p in deep.parameters() if p.requires_grad),
        "the 2D kernel afterwards": flat.weight.detach(),
    }


def _train_cases(generator: torch.Generator) -> list[tuple[object, ...]]:
    """Mean and centre starts; other classes for the same clips; and no step at all."""
    kernel, (clips, labels) = torch.randn(2, 1, 3, 3, generator=generator) / 2, moving_bars(16, 0)
    mean, wide = inflate_mean(kernel, 3), inflate_center(kernel, 5).double()
    return [
        (mean, clips, labels, 7),
        (wide, clips.double(), labels, 20),
        (mean, clips, 1 - labels, 30),
        (mean, clips, labels, 0),
    ]


_KERNELS = inputs(lambda o, i, k, t: ((o, i, k, k), t), {}, {}, {"k": 1, "t": 3}, {"t": 1})
_ODD = inputs(lambda o, i, k, t: ((o, i, k, k), t), *({"t": t} for t in (3, 7, 5, 1)))
_LENGTHS, _STAGES = [(3,), (5,), (17,), (1,)], [(256, 128, 4), (512, 256, 3), (7, 5, 2), (3, 2, 1)]
_LAYERS = [*zip(_CONVS, (3, 3, 5), strict=True), ("Conv2d(5, 3, 1)", 1)]
# fmt: off
_MEAN_MISTAKES = {
    "only the first slice holds it; all slices get an equal share":
        lambda kernel, frames: F.pad(kernel[:, :, None], (*[0] * 5, frames - 1)),
    "this is centre inflation (1.2)": inflate_center,
    "you divided by its width; divide by `frames`": (" / frames", " / kernel.shape[3]"),
}
_CENTER_MISTAKES = {
    "the kernel is in the first slice; put it in the middle, `frames // 2`": ("frames // 2", "0"),
    "the kernel is in the last slice; put it in the middle, `frames // 2`": ("frames // 2", "-1"),
    "this is mean inflation (1.1); the middle slice gets it all": inflate_mean,
}
_PADDING_MISTAKES = {
    "this is what both sides need together; `padding` is for each side": (" // 2", ""),
    "a whole kernel on each side is too much: the clip would grow": lambda frames: frames,
}
_EXTRA_MISTAKES = {
    "these are all three slices; t = 3 adds two": ("return 2", "return 3"),
    "this is one slice; t = 3 adds two": ("return 2", "return 1"),
    "a stage has `2 * blocks` such convolutions": ("2 * blocks", "blocks"),
    "all but the first get `4 * width` channels": ("4 * ", ""),
    "only the first gets `comes_in` channels": ("4 * width", "comes_in"),
    "the first gets `comes_in` channels, not `4 * width`": ("(comes_in *", "(4 * width *"),
}
_CONV_MISTAKES = {
    "zeros stand beyond the ends of the clip; repeat its first and last frame":
        (', mode="replicate"', ""),
    "`padding_mode` also repeats the pixels at the borders of a frame, where the 2D layer has "
    "zeros; repeat frames in a `forward` of your own":
        ("(0, 0, 0, 0,", "(*[conv.padding[0]] * 4,", "(0, *conv.padding)", "(0, 0, 0)"),
    "nothing is padded in time, so frames are lost": ("(longer)", "(volume)"),
    "this is centre inflation; mean inflation is wanted":
        ("torch.stack([conv.weight.detach() / frames] * frames, dim=2)",
         "inflate_center(conv.weight.detach(), frames)"),
    "the slices add up to `frames` times the kernel: divide": (" / frames", ""),
    "the bias of the 2D layer is lost": ("conv.bias is None", "True"),
    "the spatial stride is lost": ("*conv.stride", "1, 1"),
}
_RATES = 0.1, 0.01, 0.001
_TRAIN_MISTAKES = {
    "gradients of earlier steps are added in: zero them before each step":
        ("    for _", "    total = 0.0\n    for _", "* gradient", "* (total := total + gradient)"),
    **{
        f"this is Adam with {lr}, not plain descent":
            ("for _", "kernel = nn.Parameter(kernel.clone())\n"
             f"    adam = torch.optim.Adam([kernel], {lr})\n    for _",
             "kernel = kernel.detach().requires_grad_()", "pass",
             "kernel = kernel - 1.0 * gradient", "kernel.grad = gradient; adam.step()")
        for lr in (1, *_RATES)
    },
    **{f"the learning rate is {r}; 1 is wanted": ("1.0", f"{r}") for r in _RATES},
    "the loss grows: a step goes against the gradient": ("kernel - ", "kernel + "),
    "the scores lack `.abs()`: parts of both signs cancel": (".abs()", ""),
}
# fmt: on
EXERCISES = (
    Exercise("1.1", inflate_mean, _KERNELS, "out in t y x", _MEAN_MISTAKES, learns=True),
    Exercise("1.2", inflate_center, _ODD, "out in t y x", _CENTER_MISTAKES, learns=True),
    Exercise("1.3", same_length_padding, lambda _: _LENGTHS, mistakes=_PADDING_MISTAKES),
    Exercise("1.4", extra_weights, lambda _: _STAGES, mistakes=_EXTRA_MISTAKES, read=whole),
    Exercise("1.5", inflate_conv, lambda _: _LAYERS, mistakes=_CONV_MISTAKES, use=_convolve),
    Exercise("1.6", train_kernel, _train_cases, "out in t y x", _TRAIN_MISTAKES),
)
