import torch
from torch import nn

from csglib.model.attention import Attention


def queries_keys_values():
    return torch.randn(2, 3, 5, 4), torch.randn(2, 3, 7, 4), torch.randn(2, 3, 7, 4)


def test_the_fused_product_is_the_map_times_the_values_and_so_are_its_gradients():
    parts = [part.double().requires_grad_() for part in queries_keys_values()]
    fused = Attention()(*parts)
    explicit = Attention.weights(*parts) @ parts[2]
    torch.testing.assert_close(fused, explicit)
    upstream = torch.randn_like(fused)
    torch.testing.assert_close(
        torch.autograd.grad(fused, parts, upstream), torch.autograd.grad(explicit, parts, upstream)
    )


def test_the_map_is_that_of_torchs_own_layer():
    torch_layer = nn.MultiheadAttention(12, 3, bias=False, batch_first=True)
    tokens = 3 * torch.randn(2, 5, 12)
    query, key, _ = (
        part.unflatten(-1, (3, 4)).transpose(1, 2)
        for part in (tokens @ torch_layer.in_proj_weight.T).chunk(3, dim=-1)
    )
    _, expected = torch_layer(tokens, tokens, tokens, average_attn_weights=False)
    torch.testing.assert_close(Attention.weights(query, key), expected)


def test_log_three_makes_a_key_count_as_three():
    query, key, value = queries_keys_values()
    bias = torch.tensor([0, 3.0, 0, 0, 0, 0, 0]).clamp(min=1).log()
    thrice = [torch.cat([part, part[:, :, 1:2], part[:, :, 1:2]], dim=2) for part in (key, value)]
    torch.testing.assert_close(Attention()(query, key, value, bias), Attention()(query, *thrice))
    weights = Attention.weights(query, key, bias=bias)
    torch.testing.assert_close(weights @ value, Attention()(query, *thrice))
