"""CSG-3DCT: the whole network.

Source: Fig. 2(a) and Table SI. L 3D Conv Blocks and L + 1 transformer blocks run side by side and
exchange features at every step.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from csglib.model.build import conv_blocks, first_bottleneck, head, transformer_blocks
from csglib.model.config import AMDF, STEM_STRIDE, ModelConfig
from csglib.model.conv import Stem, channels_last
from csglib.model.init import init_weights, zero_init
from csglib.model.tokens import PatchEmbedding, VideoTokens


class CSG3DCT(nn.Module):
    """Logits from clips of any length and any size that is a multiple of a patch.

    Every size and choice is in `config`, for instance `PAPER` or `TINY`.
    """

    activation_checkpointing = False  # the backward pass runs each transformer block once more

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Stem(config.stem)
        self.embed = PatchEmbedding(
            config.stem, config.dim, config.patch // STEM_STRIDE, config.class_tokens
        )
        self.local = first_bottleneck(config)  # stage c1
        self.convs = nn.ModuleList(conv_blocks(config))  # stages c2 to c5
        self.blocks = nn.ModuleList(transformer_blocks(config))
        self.head = head(config)
        self.apply(init_weights)
        if isinstance(config.encoder, AMDF) and config.encoder.init == "zero":
            self.blocks.apply(zero_init)
        # torch's stubs do not know this memory format.
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward_features(
        self, clip: Float[Tensor, "b 3 t y x"]
    ) -> tuple[Float[Tensor, "b c t y2 x2"], VideoTokens]:
        """The CNN's last volume and the transformer's last tokens, before the head.

        Args:
            clip: normalised frames; y and x multiples of a patch, any number of frames.

        Raises:
            ValueError: the clip has another shape.
        """
        self._check(clip)
        # (b, stem, t, y/4, x/4) and t * n tokens; the first transformer block has no Conv Block.
        volume = self.stem(channels_last(clip))
        tokens = self.blocks[0](self.embed(volume))
        volume = self.local(volume)
        for conv, block in zip(self.convs, self.blocks[1:], strict=True):
            saving = self.activation_checkpointing and torch.is_grad_enabled()
            run = partial(checkpoint, block, use_reentrant=False) if saving else block
            volume, tokens = conv(volume, tokens, run)
        return volume, tokens

    def head_logits(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "heads b classes"]:
        """Logits of each head; training minimises the mean of their losses."""
        volume, tokens = self.forward_features(clip)
        return self.head(volume, tokens.cls)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits of each clip: the sum over heads."""
        return self.head_logits(clip).sum(dim=0)

    def _check(self, clip: Tensor) -> None:
        if clip.ndim != 5 or clip.shape[1] != 3 or clip.shape[2] < 1:
            shape = f"(b, 3, t, y, x) with t at least 1: got {tuple(clip.shape)}"
            raise ValueError(f"a clip is {shape}; csglib.network_input makes it of grey frames")
        rows, columns = clip.shape[-2:]
        patch = self.config.patch
        if min(rows, columns) < patch or rows % patch or columns % patch:
            fit = " x ".join(f"{max(1, -(-side // patch)) * patch}" for side in (rows, columns))
            got = f"multiples of {patch}: got {rows} x {columns}; pad or resize to {fit}"
            raise ValueError(f"rows and columns must be {got}")
