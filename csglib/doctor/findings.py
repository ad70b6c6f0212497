"""What the doctor can find: each kind with why it matters and what to do, and what it looks at.

Not in the paper, whose authors could walk over to the machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from csglib.data.clips import Region
from csglib.doctor.exports import Exports, patient_of
from csglib.doctor.labels import Label
from csglib.doctor.near_duplicates import Likeness
from csglib.doctor.record import Record

ALL = "the folder"  # where a finding is about all of it


class Kind(NamedTuple):
    """One kind of finding.

    Attributes:
        why: it matters, in half a sentence.
        advice: what to do.
    """

    why: str
    advice: str


KINDS = {
    # files
    "no clips": Kind("there is nothing to learn from", "put clips into a folder for each patient"),
    "unreadable": Kind("nobody can learn from it", "do what it says, or take the file away"),
    "not a clip": Kind("it is left out", "nothing, unless it should be one"),
    "no patient": Kind(
        "nobody knows whose it is, so it is left out",
        "move it to PATIENT/ or PATIENT/CLIP/, with a folder for each patient",
    ),
    "link": Kind("links are not followed, so it is left out", "copy the file itself here"),
    "odd name": Kind(
        "no table can hold it, so it is left out",
        "rename it: letters, digits, - and _, no space at an end",
    ),
    # labels
    "no labels": Kind("without grades there is nothing to learn", "fill in the grades, run again"),
    "labels unreadable": Kind("no grade is known", "do what it says, run again"),
    "no row": Kind("it is left out", "give it a row in labels.csv, or leave it"),
    "no grade": Kind("a clip without a grade teaches nothing", "fill it in, or delete the row"),
    "unknown grade": Kind(
        "it would be a class of its own", "correct it, or name all grades with --grades"
    ),
    "no such clip": Kind("its grade is lost", "correct the path, or delete the row"),
    "beyond the clip": Kind("there is nothing there", "correct the numbers; both count from 0"),
    "row twice": Kind("it would count twice, or both ways", "delete one of the rows"),
    "rows overlap": Kind(
        "the same frames count twice", "keep one, or choose frames that are further apart"
    ),
    "few frames": Kind(
        "the network sees more", "take a longer clip, or ask for fewer with --frames"
    ),
    # split and balance
    "grade missing": Kind("nobody can tell grades apart by one", "add clips of that grade"),
    "unbalanced": Kind(
        "always saying the commonest grade would look good",
        "add clips of the rare one; read sensitivity beside accuracy",
    ),
    "few patients": Kind("training, validation and test need one each", "add patients"),
    "split missing": Kind("a split holds for all clips or none", "fill in all rows, or none"),
    "side empty": Kind("training, validation and test are all needed", "give it patients"),
    "both sides": Kind(
        "what is learned by heart would pass the test",
        "put all clips of a patient on one side, and all copies of a clip",
    ),
    "one person": Kind(
        "one neck could stand on both sides of a split",
        "move the clips into one folder, or give both the same split",
    ),
    # twins
    "duplicate": Kind(
        "one clip counts twice; across a split it passes the test by heart",
        "delete one of the two",
    ),
    "near-duplicate": Kind(
        "the same moments count twice; across a split they pass the test by heart",
        "keep one, or keep both on one side of the split",
    ),
    # pictures
    "colour": Kind(
        "the network sees grey, and Doppler's colours hide the lumen",
        "export it without colour; coloured text beside the tissue is cut away by --clean",
    ),
    "two pictures": Kind(
        "half of it shows something else", "give it a box in labels.csv, or export one alone"
    ),
    "marks": Kind(
        "a network reads calipers and letters, not the vessel; letters may be a name",
        "export it without marks, or give it a box in labels.csv",
    ),
    "frozen": Kind("all frames are one, and time tells nothing", "export the moving loop"),
    "no scale": Kind("millimetres stay unknown; grades do not need them", "export DICOM for them"),
    "sizes differ": Kind(
        "frames are shrunk by different factors, which blurs them differently",
        "export all with the same settings, if you can",
    ),
    "scales differ": Kind(
        "the same vessel looks large in one clip and small in another",
        "export all with the same depth, if you can",
    ),
    "small tissue": Kind(
        "enlarged, it is mostly blur", "export it larger, or train with a smaller --size"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something to see to.

    Attributes:
        kind: one of `KINDS`.
        where: path below the folder, of a file, a clip or a patient; `ALL` for the whole of it.
        what: has been found.
        stops: whether training should not start; else it is worth a look.
    """

    kind: str
    where: str
    what: str
    stops: bool = False


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the clips are for.

    Attributes:
        frames: of each that the network sees.
        size: rows and columns that it sees, pixels.
        grades: their names, from open to closed.
    """

    frames: int
    size: int
    grades: tuple[str, ...]


class Span(NamedTuple):
    """A part of a clip.

    Attributes:
        first: frame, from 0.
        end: the frame behind its last.
        box: of each frame; None is all of it.
    """

    first: int
    end: int
    box: Region | None

    @property
    def words(self) -> str:
        """Such as: frames 4 to 11."""
        return f"frames {self.first} to {self.end - 1}"


@dataclass(frozen=True, kw_only=True)
class Examined:
    """All that a check may look at.

    Attributes:
        exports: what lies in the folder.
        unreadable: why, by clip.
        records: the others, by clip, in order.
        likenesses: pairs of places in `records`.
        labels: rows of labels.csv; none while `trouble`.
        trouble: of labels.csv: of which kind, and what; none if it is fine.
        wanted: what the clips are for.
    """

    exports: Exports
    unreadable: Mapping[str, str]
    records: Mapping[str, Record]
    likenesses: tuple[Likeness, ...]
    labels: tuple[Label, ...]
    trouble: tuple[str, str] | None
    wanted: Wanted

    def spans(self, clip: str) -> list[Span]:
        """What of a readable clip would be trained on: its rows, or all of it without a row."""
        length = self.records[clip].size[0]
        rows = [label for label in self.labels if label.clip == clip]
        ends = [length if row.frames is None else row.first_frame + row.frames for row in rows]
        spans = [Span(row.first_frame, end, row.box) for row, end in zip(rows, ends, strict=True)]
        return spans or [Span(0, length, None)]

    def is_used(self, clip: str) -> bool:
        """Whether it would be trained on: all are, until labels.csv says which."""
        return not self.labels or any(label.clip == clip for label in self.labels)

    def together(self, one: str, other: str) -> bool:
        """Whether two clips are sure to stand on one side of a split."""
        sides = [{row.split for row in self.labels if row.clip == clip} for clip in (one, other)]
        same_side = sides[0] == sides[1] and len(sides[0]) == 1 and sides[0] != {""}
        return patient_of(one) == patient_of(other) or same_side
