"""The shipped network as one ONNX graph: grey frames in, logits and all attention out.

Source: not in the paper. The maps come from `csglib.view.attention_record`, traced with the
network, so that the page computes none of them itself.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from csglib import CSG3DCT, TINY, Clip, network_input
from csglib.model.weights import load_weights
from csglib.view.attention_record import attention_record
from csglib.view.capture import query_keys

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "data_samples" / "tiny_256.safetensors"
FRAMES, SIZE = 8, 256
OUTPUTS = ("logits", "maps", "totals", "heads", "space", "time")


class WithMaps(nn.Module):
    """A network and its attention, for one clip of a fixed size.

    Args:
        network: with the two branches of `AMDF` and one class token a clip.
        frames: of a clip.
        size: rows and columns of a frame.
    """

    levels: Float[Tensor, "3 256"]

    def __init__(self, network: CSG3DCT, frames: int = FRAMES, size: int = SIZE) -> None:
        super().__init__()
        self.network = network.eval()
        blank = Clip(frames=np.zeros((frames, size, size), np.uint8), patient="nobody")
        self.record = attention_record(network, blank)  # its shapes; queries and keys are replaced
        # What csglib makes of each grey level: the graph looks it up.
        greys = network_input(np.arange(256, dtype=np.uint8)[None, None])
        self.register_buffer("levels", greys[:, 0, 0])

    def forward(self, frames: UInt8[Tensor, "t y x"]) -> tuple[Tensor, ...]:
        """All in the order of `OUTPUTS`.

        Returns:
            logits: (classes,).
            maps: of the class token, mean over heads, (branch, block, t, rows, columns).
            totals: attention on a frame, (branch, block, t).
            heads: the maps of each head, (branch, block, head, t, rows, columns).
            space: patches on the patches of their frame, (block, t, head, n, n).
            time: places on themselves in all frames, (block, n, head, t, t).
        """
        with query_keys(self.network) as seen:
            logits = self.network(self.levels[:, frames.long()][None])[0]
        kept = {
            branch: [keys for path, keys in seen.items() if path.endswith(f".{branch}.attention")]
            for branch in self.record.axes
        }
        record = replace(self.record, query_keys=kept)
        heads = [
            record.class_token_heads(branch, block).maps
            for branch in kept
            for block in range(record.blocks)
        ]
        patches = slice(1, None)  # behind the class token
        return (
            logits,
            torch.stack([branch.maps for branch in record.branches.values()]),
            torch.stack([branch.totals for branch in record.branches.values()]),
            rearrange(heads, "(branch block) h t y x -> branch block h t y x", block=record.blocks),
            *(
                torch.stack([keys.weights(queries=patches)[..., patches] for keys in kept[branch]])
                for branch in ("space", "time")
            ),
        )


def shipped() -> CSG3DCT:
    """The trained network of data_samples."""
    network = CSG3DCT(TINY)
    load_weights(network, WEIGHTS)
    return network


def export(network: WithMaps) -> bytes:
    """The graph as a file's bytes, without the paths of this machine that the exporter notes."""
    frames, height, width = network.record.shape
    patch = network.network.config.patch
    blank = torch.zeros(frames, height * patch, width * patch, dtype=torch.uint8)
    program = torch.onnx.export(
        network,
        (blank,),
        input_names=["frames"],
        output_names=[*OUTPUTS],
        dynamo=True,
        verbose=False,
    )
    proto = program.model_proto
    for part in (*proto.graph.node, *proto.graph.value_info):
        del part.metadata_props[:]
    return proto.SerializeToString()
