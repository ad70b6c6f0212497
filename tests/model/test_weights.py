import pickle

import pytest
import torch
from torch import nn

from csglib import CSG3DCT, TINY
from csglib.model.weights import load_weights, read_weights, write_weights

from .test_checkpoints import Code


def test_weights_come_back_as_they_were(tmp_path):
    tensors = {"a": torch.randn(2, 3).mT, "b": torch.arange(5)}
    write_weights(tmp_path / "w.safetensors", tensors, {"epoch": "7"})
    again, notes = read_weights(tmp_path / "w.safetensors")
    assert notes == {"epoch": "7"}
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("write", [torch.save, lambda it, path: path.write_bytes(pickle.dumps(it))])
def test_a_pickle_is_refused_unopened(tmp_path, capsys, write):
    write(Code(), tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil.pth is a pickle .* wanted weights in safetensors"):
        load_weights(nn.Linear(2, 2), tmp_path / "evil.pth")
    assert capsys.readouterr().out == ""


def test_a_missing_file_and_one_that_is_not_whole_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(ValueError, match=r"w.safetensors: there is no such file"):
        read_weights(path)
    write_weights(path, nn.Linear(2, 2).state_dict(), {})
    whole = path.read_bytes()
    for keep in (0, 60, -1):
        path.write_bytes(whole[:keep])
        with pytest.raises(ValueError, match=r"w.safetensors is not whole or not in safetensors"):
            read_weights(path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Linear(2, 3), "tensors 0 missing, 0 unknown, 2 of another shape; first bias"),
        (nn.Sequential(nn.Linear(2, 2)), "tensors 2 missing, 2 unknown"),
    ],
)
def test_weights_of_another_network_leave_the_model_as_it_was(tmp_path, other, message):
    model = nn.Linear(2, 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    write_weights(tmp_path / "w.safetensors", other.state_dict(), {})
    with pytest.raises(ValueError, match=message):
        load_weights(model, tmp_path / "w.safetensors")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_weights_saved_under_the_layer_names_of_version_0_1_load(tmp_path):
    stored, model = CSG3DCT(TINY), CSG3DCT(TINY)
    former = {
        "blocks.0.time.qkv.weight": "blocks.0.time.to_query_key_value.weight",
        "convs.0.first.conv1.0.weight": "convs.0.first.narrow.0.weight",
    }
    tensors = {former.get(name, name): value for name, value in stored.state_dict().items()}
    write_weights(tmp_path / "old.safetensors", tensors, {})
    load_weights(model, tmp_path / "old.safetensors")
    for name in former:
        assert torch.equal(model.get_parameter(name), stored.get_parameter(name))
