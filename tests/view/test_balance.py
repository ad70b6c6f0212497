"""The balance without a page: its branches, its descent, its bytes and its still."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from csgcourse.widgets.balance import CLIPS, RATE, STEPS, Balance, descend, two_estimates


def branches(space_noise, time_noise):
    space, time = two_estimates()
    return space_noise * space, time_noise * time


def test_the_branches_make_unlike_mistakes_of_size_one():
    errors = two_estimates().numpy()
    assert errors.shape == (2, CLIPS)
    np.testing.assert_allclose(errors.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(errors @ errors.T / CLIPS, np.eye(2), atol=1e-12)


def by_hand(space, time, reading, start, decay):
    """Shares step by step, with every derivative written out."""
    space, time = space.numpy(), time.numpy()
    theta = {
        "sigmoid": np.array([np.log(start / (1 - start))]),
        "softmax": np.log([start, 1 - start]),
        "raw": np.array([start]),
    }[reading]
    shares = []
    for _ in range(STEPS + 1):
        score = theta[0] - theta[1] if reading == "softmax" else theta[0]
        share = score if reading == "raw" else 1 / (1 + np.exp(-score))
        slope = 2 * ((share * space + (1 - share) * time) * (space - time)).mean()
        bent = 1 if reading == "raw" else share * (1 - share)
        gradient = slope * bent * np.array([1, -1])[: len(theta)]
        theta = theta - RATE * (gradient + decay * theta)
        shares.append(share)
    return shares


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("start", [0.5, 0.99])
@pytest.mark.parametrize("reading", ["sigmoid", "softmax", "raw"])
def test_training_is_the_chain_rule_by_hand(reading, start, decay):
    space, time = branches(0.7, 0.35)
    found = descend(space, time, reading, start, decay).share
    np.testing.assert_allclose(found, by_hand(space, time, reading, start, decay), atol=1e-5)


def test_the_share_settles_where_the_mixture_misses_least():
    space, time = branches(0.6, 0.3)
    found = descend(space, time, "raw", 0.5, 0.0)
    assert float(found.share[-1]) == pytest.approx(0.3**2 / (0.3**2 + 0.6**2), abs=1e-6)
    assert float(found.loss[-1]) == pytest.approx(0.2 * 0.6**2, abs=1e-6)
    assert abs(float(found.gradient[-1])) < 1e-6
    assert float(found.gradient[0]) == pytest.approx(0.6**2 - 0.3**2, abs=1e-6)


def test_decay_pulls_a_sigmoid_to_even_and_a_raw_share_to_time_alone():
    silent = branches(0.0, 0.0)
    ends = {name: float(descend(*silent, name, 0.99, 0.1).share[-1]) for name in ("sigmoid", "raw")}
    assert ends["sigmoid"] == pytest.approx(0.5, abs=1e-4)
    assert ends["raw"] == pytest.approx(0, abs=1e-4)


def test_softmax_learns_twice_as_fast_as_a_sigmoid_and_a_decided_share_slowly():
    pair = branches(0.3, 0.9)
    sigmoid, softmax = (descend(*pair, name, 0.5, 0.0).share for name in ("sigmoid", "softmax"))
    scores = [float(share[1].logit()) for share in (sigmoid, softmax)]
    assert scores[1] == pytest.approx(2 * scores[0], rel=1e-4)
    slow = descend(*branches(0.9, 0.3), "sigmoid", 0.99, 0.0).share
    assert float(slow[60]) > 0.97
    assert float(slow[-1]) < 0.2


def test_even_weighting_learns_nothing():
    found = descend(*branches(0.3, 0.9), "even", 0.99, 0.1)
    assert found.share.unique().tolist() == [0.5]
    assert found.loss.unique().tolist() == pytest.approx([(0.3**2 + 0.9**2) / 4])
    assert not found.gradient.any()


def test_it_sends_misses_and_plain_facts():
    balance = Balance()
    sent = np.frombuffer(balance.errors, "<f4").reshape(2, CLIPS)
    np.testing.assert_allclose(sent, two_estimates(), rtol=1e-6)
    assert json.loads(json.dumps(balance.facts)) == {"steps": STEPS, "rate": RATE}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("reading", "tanh", "'reading' .* any of .*sigmoid.*even.*, not the str 'tanh'"),
        ("start", 0.7, "'start' .* any of .*0.01, 0.5, 0.99.*, not the float 0.7"),
        ("decay", 1.0, "'decay' .* any of"),
        ("guess", 1.2, "value of the 'guess' trait .* should not be greater than 1.0"),
        ("time_noise", -0.1, "value of the 'time_noise' trait .* should not be less than 0.0"),
        ("step", 301, "value of the 'step' trait .* should not be greater than 300"),
    ],
)
def test_it_refuses_what_is_not_there(name, value, said):
    balance = Balance()
    before = getattr(balance, name)
    with pytest.raises(traitlets.TraitError, match=said):
        setattr(balance, name, value)
    assert getattr(balance, name) == before


def test_it_prints_its_settings_and_a_still_of_them():
    balance = Balance()
    said = "Balance(time_noise=0.9, space_noise=0.3, reading='sigmoid', start=0.5, decay=0)"
    assert repr(balance) == said
    stills = []
    for name, value in {"start": 0.99, "reading": "raw", "decay": 0.1, "time_noise": 0.2}.items():
        setattr(balance, name, value)
        bundle, _ = balance._repr_mimebundle_()
        assert bundle["text/plain"] == repr(balance)
        stills.append(bundle["image/png"])
    assert len(set(stills)) == 4
    assert max(map(len, stills)) < 60_000  # git keeps every one
    assert Image.open(io.BytesIO(base64.b64decode(stills[0]))).width > 400


def test_the_module_is_one_text_that_fetches_nothing():
    assert Balance._esm.count("export default") == 1
    text = Balance._esm + Balance._css
    assert not re.search(r"https?:|\bimport\b|fetch\(|@import|url\(", text)


def test_it_trains_in_a_notebook_without_gradients():
    expected = descend(*two_estimates(), "sigmoid", 0.5, 0.0)
    with torch.no_grad():
        found = descend(*two_estimates(), "sigmoid", 0.5, 0.0)
    torch.testing.assert_close(found.share, expected.share, rtol=0, atol=0)
