"""The field's word for each thing, and no other: words of version 0.1 do not return."""

import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import csglib

ROOT = Path(csglib.__file__).parents[1]
OLD = {  # the word to use -> what stood in its place
    "head_logits, heads, StepSums": r"\b(votes|votes_of|ballots|judges|tally|tallies)\b",
    "is_main_process": r"\bleads\(",
    "schedule": r"\bcourse=|\bCOURSES\b",
    "lr, weight_decay, batch_size": r"TrainConfig\([^)]*\b(rate|decay|batch)=",
    "qkv, q, k, v": r"\b(to_query_key_value|to_query|to_key|to_value)\b",
    "conv2, attention, FFN": r"\blook(s|ed|ing)? (around|at one another)\b|\bthinks? alone\b",
    "zero_init, cls_residual": r"\bsilenc(e|es|ed)\b|\"silent\"|\bclass_carry\b",
    "cost, fusion_variants": r"\b(ledger|fusion_compared)\b|\bkeeps? the books\b",
    "uniform, rank percentile": r"\b(EvenWeighting|outranked|random_twin|untaught)\b",
    "query, key": r"\b(who|whoever|what|which|that) asks\b|\bis asked\b",
    "frames, render, parallel": r"\b(reel|filming|workshop|likeness|nameless|spoiling|spoilt)\b",
    "test_predictions, load, test_set": r"\b(said_by|kept_in|exam_of|stream_cohort)\b",
    "majority class": r"\bcommoner grade\b",
    "billion": r"\bthousand million",
    "backward pass": r"\bway back\b",
    "vertical edges, norm": r"\bupright edges\b|\bloudness\b",
    "plain verbs": r"\bknows? (nothing|no|its|how|what|who)\b|\bis told\b|\bhears?\b",
}
HERE = {Path(__file__).name, "weights.py"}  # this list, and the old layer names that still load


def texts() -> Iterator[tuple[str, str]]:
    """Code, docstrings, comments and messages of the library and of the course's package."""
    for root in ("csglib", "notebooks/csgcourse", "benchmarks", "data_samples"):
        for ending in ("*.py", "*.js"):
            for path in sorted((ROOT / root).rglob(ending)):
                if path.name not in HERE:
                    yield str(path.relative_to(ROOT)), path.read_text("utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield path.name, "".join(cell["source"])


@pytest.mark.parametrize("new", OLD)
def test_old_words_are_gone(new):
    found = [
        f"{name}: {match[0]!r} in {text[: match.start()].rpartition(chr(10))[2]}{match[0]}..."
        for name, text in texts()
        for match in re.finditer(OLD[new], text, re.IGNORECASE)
    ]
    assert not found, f"use {new}:\n" + "\n".join(found)


def test_each_pattern_finds_its_word():
    samples = (
        "judges leads( course= TrainConfig(rate=1 to_query looks around class_carry ledger"
        " outranked who asks reel kept_in commoner grade thousand million way back loudness is told"
    )
    assert all(re.search(old, samples, re.IGNORECASE) for old in OLD.values())


def test_comments_stand_where_a_reader_of_the_field_would_stop():
    """The first edition had comments on 0.3 % of its lines."""
    lines = comments = 0
    for path in (ROOT / "csglib").rglob("*.py"):
        source = path.read_text("utf-8")
        lines += source.count("\n")
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        kinds = [t for t in tokens if t.type == tokenize.COMMENT and "type: ignore" not in t.string]
        comments += sum("noqa" not in token.string for token in kinds)
    assert comments > 0.02 * lines
