"""Checkpoint files, good and bad, of a narrow Conformer."""

import argparse
import hashlib
import pickle
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from csglib import CONFORMER_S, CSG3DCT, load_conformer
from csglib.model import checkpoints
from csglib.model.checkpoints import read_checkpoint

from .conftest import conformer_named, narrow


@pytest.fixture
def network():
    return CSG3DCT(replace(narrow(CONFORMER_S), classes=3))


@pytest.fixture(scope="module")
def weights():
    """Under the published names."""
    return conformer_named(CSG3DCT(replace(narrow(CONFORMER_S), classes=3)).state_dict())


def test_the_public_network_has_its_published_number_of_parameters():
    with torch.device("meta"):
        model = CSG3DCT(CONFORMER_S)
    assert sum(parameter.numel() for parameter in model.parameters()) == 37_673_424


def test_patches_may_be_wider():
    model = CSG3DCT(replace(narrow(CONFORMER_S), patch=32, classes=3)).eval()
    assert model(torch.zeros(1, 3, 1, 64, 32)).shape == (1, 3)


@pytest.mark.parametrize(
    ("wrapping", "zipped"), [(None, True), (None, False), ("model", True), ("state_dict", False)]
)
def test_what_torch_saved_is_read(network, tmp_path, weights, wrapping, zipped):
    whole = {wrapping: weights, "meta": {"epoch": 3}} if wrapping else weights
    torch.save(whole, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert len(load_conformer(network, tmp_path / "w.pth").loaded) == 718
    assert torch.equal(network.embed.cls, weights["cls_token"])


def test_what_training_scripts_save_is_read_and_the_average_as_timm_does(
    network, tmp_path, weights
):
    """DataParallel's prefix, the script's arguments, and numbers and arrays of numpy."""
    beside = {
        "args": argparse.Namespace(lr=1e-3, out=Path("runs"), seed=np.int64(3)),
        "best": [np.float32(0.5), np.float64(0.5), np.bool_(True), np.arange(3)],
        "model_ema": {name: tensor + 1 for name, tensor in weights.items()},
    }
    parallel = {f"module.{name}": tensor for name, tensor in weights.items()}
    for key, taken in (("model", weights), ("state_dict_ema", beside["model_ema"])):
        whole = beside | {"model": parallel, key: {f"module.{n}": t for n, t in taken.items()}}
        torch.save(whole, tmp_path / "w.pth")
        load_conformer(network, tmp_path / "w.pth")
        assert torch.equal(network.embed.cls, taken["cls_token"])


def test_safetensors_and_mappings_are_read_too(network, tmp_path, weights):
    save_file(weights, tmp_path / "w.safetensors")
    for source in (str(tmp_path / "w.safetensors"), {"state_dict": weights}):
        assert len(load_conformer(network, source).loaded) == 718


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"bn9.weight": torch.ones(2)},
            "718 tensors of a Conformer as deep as this network: got 719, of them 1 unknown, and "
            "0 missing; the first: bn9.weight is unknown",
        ),
        ({"trans_norm.bias": None}, "0 unknown, and 1 missing; the first: trans_norm.bias is miss"),
        ({"backbone.trans_norm.bias": torch.ones(6)}, "two tensors are called trans_norm.bias"),
        (
            {"trans_1.mlp.fc1.weight": torch.ones(25, 6)},
            r"1 tensors do not fit; the first is trans_1.mlp.fc1.weight: got \(25, 6\), expected "
            r"\(24, 6\): a Conformer of other sizes",
        ),
        ({"bn1.bias": torch.full((5,), torch.nan)}, "bn1.bias holds NaN or infinity"),
        ({"bn1.bias": torch.ones(5, dtype=torch.int64)}, "bn1.bias is no dense float: torch.i"),
        ({"bn1.bias": torch.ones(5).to_sparse()}, "bn1.bias is no dense float: .*torch.sparse_coo"),
    ],
)
def test_another_network_is_refused_and_nothing_loaded(network, weights, change, message):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    source = {name: value for name, value in (weights | change).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        load_conformer(network, source)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_another_kind_of_network_takes_nothing(weights):
    with pytest.raises(ValueError, match="expected a CSG3DCT network: got one of 2 tensors"):
        load_conformer(torch.nn.Linear(2, 2), weights)


class Code:
    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: torch.save({"a": Code()}, path), "holds a print beside its weights: reading"),
        (lambda path: path.write_bytes(pickle.dumps(Code(), protocol=2)), "If you trust the file"),
        (lambda path: path.write_bytes(b"hello"), "not whole or not in safetensors format"),
        (lambda path: torch.save({"model": {"a": 1}}, path), "holds no state dict"),
        (lambda path: None, "no such file; known by name: conformer-small-p16"),
    ],
)
def test_bad_files_are_refused_and_run_nothing(network, tmp_path, capsys, write, message):
    write(tmp_path / "w.pth")
    with pytest.raises(ValueError, match=message):
        load_conformer(network, tmp_path / "w.pth")
    assert capsys.readouterr().out == ""


def test_no_flipped_bit_and_no_cut_gets_through(tmp_path, weights):
    """Torch itself compares no checksums: most flips in a file of weights are silent."""
    few = {name: weights[name] for name in list(weights)[:9]}
    torch.save(few, tmp_path / "w.pth")
    whole, draw = (tmp_path / "w.pth").read_bytes(), random.Random(0)
    silent = 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        (tmp_path / "w.pth").write_bytes(damaged)
        try:
            found = read_checkpoint(tmp_path / "w.pth")
        except ValueError:
            continue
        assert found.keys() == few.keys()  # the bit was in the padding between tensors
        assert all(torch.equal(found[name], few[name]) for name in few)
        silent += 1
    assert silent < 40
    for cut in (0, 1, 3, len(whole) // 2, len(whole) - 1):
        (tmp_path / "w.pth").write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"w\.pth"):
            read_checkpoint(tmp_path / "w.pth")


@pytest.fixture
def zoo(tmp_path, monkeypatch, weights):
    """A folder that plays the public server, and a cache of our own; the file's true hash."""
    (tmp_path / "server").mkdir()
    torch.save(weights, tmp_path / "server" / "w.pth")
    start = hashlib.sha256((tmp_path / "server" / "w.pth").read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))

    def serve(name):
        url = (tmp_path / "server" / "w.pth").rename(tmp_path / "server" / name).as_uri()
        monkeypatch.setitem(checkpoints.CHECKPOINTS, "narrow", url)
        return tmp_path / "cache" / "checkpoints" / name

    return serve, start


def test_a_named_checkpoint_is_fetched_once_and_its_checksums_compared_each_time(network, zoo):
    serve, start = zoo
    kept = serve(f"w-{start}.pth")
    assert len(load_conformer(network, "narrow").loaded) == 718
    before = kept.stat().st_mtime_ns
    assert len(load_conformer(network, "narrow").loaded) == 718
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"pth is damaged, or holds more than tensors: File is"):
        load_conformer(network, "narrow")


def test_a_download_with_another_hash_is_not_kept(network, zoo):
    serve, _ = zoo
    kept = serve("w-01234567.pth")
    with pytest.raises(ValueError, match=r"w-01234567\.pth is not the file it was: invalid hash"):
        load_conformer(network, "narrow")
    assert not list(kept.parent.iterdir())


def test_offline_it_says_where_to_get_the_file_and_where_to_put_it(network, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    nobody = "http://127.0.0.1:9/conformer-0a1b2c3d.pth"
    monkeypatch.setitem(checkpoints.CHECKPOINTS, "narrow", nobody)
    with pytest.raises(ConnectionError) as caught:
        load_conformer(network, "narrow")
    for part in ("narrow could not be downloaded", nobody, str(tmp_path / "checkpoints")):
        assert part in str(caught.value)
    assert not list((tmp_path / "checkpoints").iterdir())
