"""Video Swin and MViT, from torchvision's `models.video`.

Source: Liu et al. 2022, "Video Swin Transformer", and Li et al. 2022, "MViTv2: Improved Multiscale
Vision Transformers". The CSG paper cites Video Swin and the first MViT (Fan et al. 2021) in section
1 and compares itself with neither. Swin-T and MViTv2-S are our choice: the sizes nearest to
SlowFast and UniFormer-S. Both start from random weights; no 2D network's are loaded.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import video
from torchvision.models.video.mvit import MSBlockConfig

from csglib.data.clips import check_fits
from csglib.view.grad_cam import Target, Volume


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Blocks of each stage; channels and heads of the first, twice as many in each later one."""

    depths: tuple[int, int, int, int]
    width: int
    heads: int


SWIN_T = Sizes(depths=(2, 2, 6, 2), width=96, heads=3)
MVIT_S = Sizes(depths=(1, 2, 11, 2), width=96, heads=1)


def _of_swin(_: Any, places: Float[Tensor, "b t y x d"]) -> Volume:
    return rearrange(places, "b t y x d -> b d t y x")


def _of_mvit(network: Any, tokens: Float[Tensor, "b s d"]) -> Volume:
    _, rows, columns = network.fits
    return rearrange(tokens[:, 1:], "b (t y x) d -> b d t y x", y=rows // 32, x=columns // 32)


class VideoSwin(nn.Module):
    """Clips of any length and size in, logits out; attention within windows that shift.

    A patch is 2 frames of 4 x 4 pixels. A window is 8 x 7 x 7 patches, or all that there are along
    an axis. Where a stage has fewer rows or columns than 7, as the last has below 224 pixels, its
    patches take the biases of other distances than theirs, as in torchvision.
    """

    cam_target: ClassVar[Target] = Target(lambda network: network.network.norm, _of_swin)

    def __init__(self, classes: int, frames: int = 8, size: int = 256, *, sizes: Sizes = SWIN_T):
        super().__init__()
        self.network = video.SwinTransformer3d(
            patch_size=[2, 4, 4],
            embed_dim=sizes.width,
            depths=list(sizes.depths),
            num_heads=[sizes.heads << stage for stage in range(len(sizes.depths))],
            window_size=[8, 7, 7],
            stochastic_depth_prob=0.1,
            num_classes=classes,
        )

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self.network(clip)


class MViT(nn.Module):
    """Clips of the given frames and size, a multiple of 32, in; logits out.

    Attention over all places of all frames, whose grid is pooled: that of the queries where a stage
    begins, that of keys and values in every block. Every second frame is dropped at the start.
    Only the class token leaves the last block, so its patches' queries and their positions are
    never learned, as in torchvision.
    """

    # the keys and values of the last attention: after it, no patch reaches the prediction
    cam_target: ClassVar[Target] = Target(
        lambda network: network.network.blocks[-1].norm1, _of_mvit
    )

    def __init__(self, classes: int, frames: int, size: int, *, sizes: Sizes = MVIT_S):
        super().__init__()
        self.fits = (frames, size, size)
        self.network = video.MViT(
            spatial_size=(size, size),
            temporal_size=frames,
            block_setting=_blocks(sizes),
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            stochastic_depth_prob=0.2,
            num_classes=classes,
        )

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits; a ValueError for another length or size than it was built for."""
        check_fits(clip.shape[2:], self.fits)
        return self.network(clip)


def _blocks(sizes: Sizes) -> list[MSBlockConfig]:
    """Keys and values have the last stage's grid in all stages: pooled less and less."""
    found, last, channels = [], len(sizes.depths) - 1, sizes.width
    for stage, depth in enumerate(sizes.depths):
        for block in range(depth):
            width = sizes.width << stage
            queries, keys = 1 + (stage > 0 and block == 0), 1 << (last - stage)
            found.append(
                MSBlockConfig(
                    num_heads=sizes.heads << stage,
                    input_channels=channels,
                    output_channels=width,
                    kernel_q=[3, 3, 3],
                    kernel_kv=[3, 3, 3],
                    stride_q=[1, queries, queries],
                    stride_kv=[1, keys, keys],
                )
            )
            channels = width
    return found
