"""The page needs nothing but itself, and says in text what it says in colour."""

import re
from html.parser import HTMLParser

import pytest

from csglib.doctor import examine


class Names(HTMLParser):
    """Tags and addresses of a page; tags left open are an error."""

    alone = ("meta", "img", "br")

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
        if tag not in self.alone:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def spoiled(exports):
    exports.save("p0/<b>&'\".npz", exports.cohort[40], person="person 0")
    exports.say("p0/<b>&'\".npz", first_frame=6, frames=9)
    (exports.folder / "p0/notes.txt").write_text("")
    return examine(exports.write(), size=64, workers=1)


def test_the_page_is_whole_and_needs_nothing_from_outside(spoiled, tmp_path):
    spoiled.write_page(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    read = Names(text)
    assert "script" not in read.tags
    assert len(read.addresses) == 13  # a picture a clip
    assert all(address.startswith("data:image/png;base64,iVBOR") for address in read.addresses)
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?:", text)
    assert "For your eyes: it names your files." in " ".join(read.words)


def test_names_of_files_are_text_and_never_markup(spoiled):
    text = spoiled._repr_html_()
    assert "<b>" not in text
    assert "p0/<b>&'\".npz" in Names(text).words


def test_signs_are_words(spoiled):
    words = Names(spoiled._repr_html_()).words
    assert [word for word in words if word.endswith((" stops", " look"))] == [
        "\N{BLACK SQUARE} stops",
        "\N{WHITE CIRCLE} look",
    ]
    assert words.index("beyond the clip") < words.index("not a clip")


def test_a_notebook_gets_the_same_without_a_page_around_it(spoiled):
    read = Names(spoiled._repr_html_())
    assert not {"html", "body", "head"} & {*read.tags}
    assert "Training should not start: 1 finding stops. 1 finding is worth a look." in read.words


def test_pictures_are_small(exports):
    frames = exports.cohort[0].repeat(8, axis=1).repeat(8, axis=2)
    exports.save("p0/large.npz", frames, person="person 0")
    report = examine(exports.folder, workers=1)
    stamp = report.examined.records["p0/large.npz"].stamp
    assert len(stamp) < 30_000
