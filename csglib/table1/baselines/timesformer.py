"""TimeSformer: each patch asks its own place in all frames, then all places of its own frame.

Source: Bertasius et al. 2021, "divided space-time attention", from the library `transformers`. The
paper does not say which TimeSformer; this is the usual one, as large as ViT-B/16.
"""

import re
from collections.abc import Mapping

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from transformers import TimesformerConfig, TimesformerForVideoClassification

from csglib.table1.baselines.image_weights import regridded, renamed


class TimeSformer(nn.Module):
    """A clip of the given frames and size in, grades out.

    Args:
        classes: grades to tell apart.
        frames: length of a clip; each has a learned position.
        size: its rows and columns, a multiple of 16; so has each patch.
        layers: blocks; the paper's own has 12.
    """

    def __init__(self, classes: int, frames: int, size: int, layers: int = 12) -> None:
        super().__init__()
        self.side = size // 16
        config = TimesformerConfig(image_size=size, num_frames=frames, num_hidden_layers=layers)
        config.num_labels = classes
        self.network = TimesformerForVideoClassification(config)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self.network(rearrange(clip, "b c t y x -> b t c y x")).logits

    def adapted(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Positions of our grid, shared by all frames."""
        return {"pos_embed": regridded(found["pos_embed"], self.side, times=1)}

    def image_names(self) -> dict[str, str]:
        """Ours, and how a ViT calls it; time starts as a copy of space, after the authors' code."""
        return renamed([name for name in self.state_dict() if not _NEW.search(name)], _WORDS)


_NEW = re.compile("time_embeddings|temporal_dense|classifier")  # a ViT has none of it
_WORDS = {
    "network.timesformer.": "",
    "temporal_attention": "attention",
    "temporal_layernorm": "layernorm_before",
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "encoder.layer.": "blocks.",
    "attention.attention.qkv": "attn.qkv",
    "attention.output.dense": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "layernorm": "norm",
}
