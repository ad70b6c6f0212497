"""The practice folder: what is planted is found, and nothing else; no other folder is lost."""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from csgcourse.practice import FORMATS, PLANTED, SWEEP, TISSUE, people, practice_folder
from csglib.data.clips import GRADES, Region
from csglib.data.readers import read_clip
from csglib.doctor import CohortSettings, examine
from csglib.doctor.cropping import crop_clip
from csglib.doctor.labels import list_exports, read_labels

SAMPLES = Path(__file__).parents[2] / "data_samples"
WITHOUT_SCALE = {".mp4", ".avi", ".mkv", ".nii.gz", ".gif", ""}


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return practice_folder(tmp_path_factory.mktemp("practice"), SAMPLES)


@pytest.fixture(scope="module")
def report(exports):
    return examine(exports, CohortSettings(size=64), workers=1)


def test_the_doctor_finds_all_that_is_planted_and_nothing_else(report):
    found = {(finding.where, finding.kind) for finding in report.findings}
    true = {pair for pair in found if pair[1] in ("no pixel size", "pixel sizes differ")}
    assert found - true == {*PLANTED.items()}
    assert {"".join(Path(where).suffixes) for where, _ in true if "/" in where} == WITHOUT_SCALE


def test_what_was_enlarged_twice_has_pixels_half_as_wide(exports):
    with np.load(SAMPLES / "cohort_64.npz") as file:
        scales = file["mm_per_px"]
    for clip, place in (("abel_dan/left.dcm", 7), ("abel_eve/left.npz", 8)):
        assert read_clip(exports / clip).mm_per_px == pytest.approx(scales[place] / 2)


def test_all_formats_are_there(exports):
    endings = Counter("".join(Path(clip).suffixes) for clip in list_exports(exports).clips)
    assert endings.keys() == FORMATS.keys()
    assert min(endings.values()) > 10
    assert len(read_clip(exports / SWEEP).frames) > 60  # one long video
    assert len({one.folder for one in people()}) == len({one.number for one in people()}) == 56


def test_the_side_does_not_tell_the_grade(exports):
    rows = read_labels(exports / "labels.csv")
    counts = Counter((Path(row.clip).name.partition(".")[0], row.grade) for row in rows)
    assert min(counts[pair] for pair in product(("left", "right"), GRADES)) > 20


def test_cleaning_leaves_no_letter_of_any_screen(exports, report):
    """Rows and columns of the screen are known here: a region must lie within the tissue."""
    tissue = Region(*TISSUE)
    for clip, record in report.records.items():
        if clip != "abel_fay/left.nii.gz":  # frozen: all of it stays, and it is refused
            assert record.tissue.intersection(tissue) == record.tissue, clip
    frozen = next(row for row in read_labels(exports / "labels.csv") if "fay/left" in row.clip)
    with pytest.raises(ValueError, match="nothing in it moves"):
        crop_clip(frozen, exports, CohortSettings())


def test_it_never_touches_another_folder(tmp_path):
    (tmp_path / "clip.mp4").write_text("precious")
    with pytest.raises(ValueError, match="holds other files; name a new folder"):
        practice_folder(tmp_path, SAMPLES)
    assert (tmp_path / "clip.mp4").read_text() == "precious"


@pytest.mark.long
def test_it_is_made_anew_where_it_was_with_the_same_bytes(tmp_path):
    exports = practice_folder(tmp_path / "work", SAMPLES)
    before = {path: path.read_bytes() for path in exports.rglob("*.csv")}
    (exports / "labels.csv").write_text("changed")
    (tmp_path / "work" / "run").mkdir()
    assert practice_folder(tmp_path / "work", SAMPLES) == exports
    assert not (tmp_path / "work" / "run").exists()
    assert {path: path.read_bytes() for path in exports.rglob("*.csv")} == before
