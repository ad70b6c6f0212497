"""One view of MTV as the ViT that it is, so that it can start from one.

Source: Yan et al. 2022, whose views start from ViTs trained on photographs; one file for each view.
"""

from collections.abc import Mapping

from einops import repeat
from torch import Tensor, nn

from csglib.table1.baselines.image_weights import regridded
from csglib.table1.baselines.mtv import MTV, EachAlone

_BLOCK = {
    "norm": "norm1",
    "attention.q": "attn.q",
    "attention.kv": "attn.kv",
    "attention.proj": "attn.proj",
    "ffn.0": "norm2",
    "ffn.1.0": "mlp.fc1",
    "ffn.1.2": "mlp.fc2",
}


class OneView(nn.Module):
    """What `load_image_weights` fills: `load_image_weights(OneView(network, 0), "vit_b.pth")`.

    Args:
        network: filled in place, this view alone.
        view: its number; the shortest tubelets are first.
    """

    def __init__(self, network: MTV, view: int) -> None:
        super().__init__()
        self.network, self.view = network, view
        self.side = round(network.patches**0.5)

    def image_names(self) -> dict[str, str]:
        """Ours, and how a ViT calls it; it has one norm at its end, and we none."""
        cut = f"network.cuts.{self.view}"
        names = {f"{cut}.leader": "cls_token", f"{cut}.positions": "pos_embed"}
        names |= {f"{cut}.project.{tensor}": f"patch_embed.proj.{tensor}" for tensor in _TENSORS}
        for number, layer in enumerate(self._own_layers()):
            names |= {
                f"network.layers.{layer}.{self.view}.{ours}.{tensor}": (
                    f"blocks.{number}.{theirs}.{tensor}"
                )
                for ours, theirs in _BLOCK.items()
                for tensor in _TENSORS
            }
        return names

    def adapted(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each step has the image's class token and its positions."""
        state, cut = self.state_dict(), f"network.cuts.{self.view}"
        steps = len(state[f"{cut}.positions"]) // (1 + self.network.patches)
        places = regridded(found["pos_embed"], self.side, times=1)
        return {
            "cls_token": repeat(found["cls_token"], "1 1 d -> t d", t=len(state[f"{cut}.leader"])),
            "pos_embed": repeat(places, "1 n d -> (step n) d", step=steps),
        }

    def _own_layers(self) -> list[int]:
        """Numbers of the layers in which each view is alone."""
        layers = self.network.layers
        return [n for n, layer in enumerate(layers) if isinstance(layer, EachAlone)]


_TENSORS = ("weight", "bias")
