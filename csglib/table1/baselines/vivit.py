"""ViViT: a clip cut into tubelets of two frames, all of which ask each other.

Source: Arnab et al. 2021, model 1, B/16 x 2, from the library `transformers`. The paper does not
say which of the four ViViTs it takes.
"""

from collections.abc import Mapping

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from transformers import VivitConfig, VivitForVideoClassification

from csglib.table1.baselines.image_weights import regridded, renamed


class ViViT(nn.Module):
    """A clip of the given frames and size in, grades out.

    Args:
        classes: grades to tell apart.
        frames: length of a clip, even.
        size: its rows and columns, a multiple of 16.
        layers: blocks; the paper's own has 12.
    """

    def __init__(self, classes: int, frames: int, size: int, layers: int = 12) -> None:
        super().__init__()
        self.side = size // 16
        self.times = frames // 2
        config = VivitConfig(image_size=size, num_frames=frames, num_hidden_layers=layers)
        config.num_labels = classes
        self.network = VivitForVideoClassification(config)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits."""
        return self.network(rearrange(clip, "b c t y x -> b t c y x")).logits

    def adapted(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Positions of our grid, the same at all times."""
        return {"pos_embed": regridded(found["pos_embed"], self.side, times=self.times)}

    def image_names(self) -> dict[str, str]:
        """Ours, and how a ViT calls it."""
        return renamed([name for name in self.state_dict() if "classifier" not in name], _WORDS)


_WORDS = {
    "network.vivit.": "",
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "layers.": "blocks.",
    "attention.q_proj": "attn.q",
    "attention.k_proj": "attn.k",
    "attention.v_proj": "attn.v",
    "attention.o_proj": "attn.proj",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "layernorm": "norm",
}
