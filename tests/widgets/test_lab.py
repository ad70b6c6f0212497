"""The network's page, opened from disk without a connection: what csglib computes, in a browser."""

import base64
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from playwright.sync_api import expect

from csglib import CSG3DCT, TINY, AttentionExplorer, network_input, read_clip, resample
from csglib.model.weights import load_weights
from csglib.view.attention_record import attention_record

from ..conftest import SAMPLES
from ..data import clip_files as files
from .conftest import opened
from .test_contract import AXE, SIZES, fits_and_is_accessible

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BOOK = SAMPLES.parent / "book"
DROP = """
(files) => {
  const data = new DataTransfer();
  for (const [name, letters] of files)
    data.items.add(new File([Uint8Array.from(atob(letters), (each) => each.charCodeAt(0))], name));
  dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
}
"""
BYTES = """
(name) => {
  const bytes = new Uint8Array(lab.explorer.get(name).slice().buffer);
  return btoa(Array.from(bytes, (each) => String.fromCharCode(each)).join(""));
}
"""
GRADED = """
() => new Promise((resolve, reject) => {
  const look = () => (window.lab?.result ? resolve(lab.result.logits) : setTimeout(look, 50));
  look();
  setTimeout(() => reject(document.body.innerText), 120000);
})
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page and its graph, built once: about 40 s of one core."""
    if not (shutil.which("npm") or [*(BOOK / "vendor").glob("*.tgz")]):
        pytest.skip("no npm here, which fetches the runtime; it comes with Node.js")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, BOOK / "lab.py", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def network():
    network = CSG3DCT(TINY).eval().requires_grad_(False)
    load_weights(network, SAMPLES / "tiny_256.safetensors")
    return network


def test_onnxruntime_agrees_with_torch(site, network):
    session = InferenceSession(site / "tiny.onnx")
    for name in ("mild_type_I", "severe_borderline_type_II", "mild_near_wall_type_I"):
        clip = read_clip(SAMPLES / f"{name}.npz")
        logits, maps, totals, *_ = session.run(None, {"frames": clip.frames})
        branches = attention_record(network, clip).branches.values()
        for found, wanted in (
            (logits, network(network_input(clip.frames)[None])[0]),
            (maps, torch.stack([branch.maps for branch in branches])),
            (totals, torch.stack([branch.totals for branch in branches])),
        ):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(maps[2:].sum((2, 3, 4)), 1, atol=1e-5)  # of the fusions


@pytest.fixture(scope="module")
def lab(site, chromium):
    """The page with its first clip graded; nothing may be asked, and nothing can be."""
    asked = []
    with opened(chromium) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.context.set_offline(True)
        page.goto((site / "lab.html").as_uri())
        page.evaluate(GRADED)
        yield page
    assert [url for url in asked[1:] if not url.startswith(("blob:", "data:"))] == []


def graded(lab, act, *given):
    """The logits after something was done."""
    lab.evaluate("lab.result = null")
    act(*given)
    return lab.evaluate(GRADED)


def held(lab, name, dtype="u1"):
    """A trait of the page's explorer."""
    return np.frombuffer(base64.b64decode(lab.evaluate(BYTES, name)), dtype).astype(float)


def near(found, raw, dtype, error, said):
    values = np.frombuffer(raw, dtype).astype(float)
    np.testing.assert_allclose(found, values, rtol=0, atol=error, err_msg=said)


def test_a_sample_has_the_attention_of_torch_and_a_brush_moves_its_probability(
    lab, network, screenshots
):
    logits = graded(lab, lab.get_by_role("radio", name="mild near wall type I").check)
    clip = read_clip(SAMPLES / "mild_near_wall_type_I.npz")
    own = AttentionExplorer(network, clip)
    wanted = network(network_input(clip.frames)[None])[0].tolist()
    assert logits == pytest.approx(wanted, abs=1e-4)
    for name, dtype, error in (("ends", "f4", 1e-4), ("totals", "f4", 1e-4), ("maps", "u1", 1)):
        near(held(lab, name, dtype), getattr(own, name), dtype, error, name)
    for request in (
        [0, "row", "space", 1, 777], [0, "row", "time", 5, 2048], [0, "row", "into_time", 5, 0],
        [0, "matrix", "time", 3, 0], [0, "matrix", "time", 3, 256],
    ):  # fmt: skip
        found = lab.evaluate("async (r) => (await lab.ask('rows', r)).map((a) => [...a])", request)
        for part, raw, kind in zip(
            found, own.answer(request), (("f4", 1e-4), ("u1", 1)), strict=True
        ):
            near(part, raw, *kind, request)

    lab.get_by_role("application", name="Brush").focus()
    assert graded(lab, lab.keyboard.press, " ") != pytest.approx(logits, abs=1e-2)
    expect(lab.locator(".csg-lab")).to_contain_text("of the clip covered")
    assert graded(lab, lab.get_by_role("button", name="Remove the cover").click) == logits

    lab.evaluate(AXE.read_text())
    for size in SIZES:
        fits_and_is_accessible(lab, screenshots, "lab", *size)
        lab.evaluate("scrollTo(0, 1e6)")
        expect(lab.get_by_text("Simulated training, not for diagnosis.")).to_be_in_viewport()


def test_the_readers_own_files_are_read_and_cropped_as_by_csglib(lab, tmp_path):
    frames = np.kron(files.moving(11), np.ones((1, 7, 7), np.uint8))
    files.folder(frames, tmp_path / "png")
    files.gif(frames, tmp_path / "clip.gif")
    files.saved(files.ultrasound(frames), tmp_path / "clip.dcm")
    files.video(frames, tmp_path / "clip.mp4", "libx264", "yuv420p")
    one, folder = lab.locator("[type=file]").all()
    paths = [tmp_path / name for name in ("png", "clip.gif", "clip.dcm", "clip.mp4")]
    for path in paths:
        graded(lab, (folder if path.is_dir() else one).set_input_files, path)
        apart = np.abs(held(lab, "frames") - resample(read_clip(path)).frames.ravel())
        # of a video frames are found by time, and a browser's own decoder rounds
        assert apart.max() == 0 or (path.suffix == ".mp4" and apart.mean() < 3), path.name
    for path in paths[:2]:
        dropped = sorted(path.iterdir()) if path.is_dir() else [path]
        letters = [[each.name, base64.b64encode(each.read_bytes()).decode()] for each in dropped]
        graded(lab, lab.evaluate, DROP, letters)
        wanted = resample(read_clip(path)).frames.ravel()
        np.testing.assert_array_equal(held(lab, "frames"), wanted, err_msg=path.name)
    graded(lab, lab.get_by_role("slider", name="Size, %").fill, "50")
    assert lab.evaluate("lab.square()") == {"left": 122, "top": 80, "side": 161}
    (tmp_path / "short").mkdir()
    files.folder(frames[:5], tmp_path / "short" / "png")
    folder.set_input_files(tmp_path / "short" / "png")
    expect(lab.locator(".csg-lab")).to_contain_text("5 images: 5 frames; the network takes 8")
