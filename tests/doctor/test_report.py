"""The report as HTML needs nothing from outside; its text has the same rows."""

import re
from html.parser import HTMLParser

import pytest

from csglib.doctor import CohortSettings, examine


class Parsed(HTMLParser):
    """Tags, addresses and texts of a page; tags left open are an error."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.words, self._open = [], [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        known = dict(attributes)
        self.addresses += [known[name] for name in ("src", "href", "action") if name in known]
        assert not [name for name in known if name.startswith("on")]
        if tag not in ("meta", "img", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def report(exports):
    """A finding that stops, warnings of one kind, and one that names another file."""
    exports.add("p0/<b>&'\".npz", exports.cohort[40], first_frame=6, frames=9)
    exports.add("p0/copy.npz", exports.cohort[40])
    for number in range(20):
        (exports.folder / f"p0/notes {number}.txt").write_text("")
    return examine(exports.write(), CohortSettings(size=64), workers=1)


def test_the_page_is_complete_and_needs_nothing_from_outside(report, tmp_path):
    assert report.write_page(tmp_path / "page.html") == tmp_path / "page.html"
    text = (tmp_path / "page.html").read_text("utf-8")
    page = Parsed(text)
    assert "script" not in page.tags
    assert len(page.addresses) == 4 * 13  # of each row of which something is kept
    assert all(address.startswith("data:image/jpeg;base64,/9j/") for address in page.addresses)
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?:", text)
    assert "Confidential: it names your files." in " ".join(page.words)
    assert report.write_page() == report.folder / "doctor.html"
    with pytest.raises(ValueError, match=r"nowhere/page\.html cannot be written: .*No such file"):
        report.write_page(tmp_path / "nowhere/page.html")


def test_a_notebook_gets_the_same_without_a_page_around_it(report):
    text = report._repr_html_()
    part = Parsed(text)
    assert not {"html", "body", "head"} & {*part.tags}
    assert "<b>" not in text  # names of files are text, never markup
    assert "p0/<b>&'\".npz" in part.words
    severities = [word for word in part.words if word.endswith((" stops", " warning"))]
    # Not by colour alone.
    assert severities == ["\N{BLACK SQUARE} stops", *["\N{WHITE CIRCLE} warning"] * 2]
    assert text.count(".txt") == 20
    assert report.verdict in part.words


def test_the_text_has_the_same_rows_and_counts_those_it_leaves_out(report):
    text = repr(report)
    assert report.verdict == "Training should not start: 1 finding to fix first. 21 warnings."
    assert text.endswith(report.verdict)
    assert text.startswith("read          14 clips of 6 patients\n")
    assert "grades        mild (8), severe (6)\n" in text
    assert "STOPS: unusable\n  p0/<b>&'\".npz: labels.csv has more than its 8 frames" in text
    assert text.count(".txt") == 6
    assert "  and 14 more\n" in text
