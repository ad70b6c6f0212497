"""The network as a drawing with parts lit: "you are here". The drawing is diagram.svg.

Source: Fig. 2(a) and 2(b), drawn anew.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

NETWORK = {
    "clip": "the clip",
    "cnn": "the 3D CNN, a stem and stages c1 to c5",
    "tokens": "the tokens, made from the stem's output",
    "amdf": "the transformer's AMDF blocks",
    "coupling": "the FCUs, which couple each stage from c2 on with its blocks, both ways",
    "heads": "the head, which gives the grade",
}
BLOCK = {
    "space": "attention in space",
    "time": "attention in time",
    "switched": "fusion by switched attention (SWA)",
    "cross": "fusion by cross-attention (CA)",
    "gate": "the gate, a weighted sum of both branches",
}
_WIDTH = 640  # without the AMDF block
_SVG = "http://www.w3.org/2000/svg"


@dataclass(frozen=True)
class Diagram:
    """A drawing, shown by a notebook; its text is the description for those who cannot see it."""

    svg: str
    words: str

    def __repr__(self) -> str:
        return self.words

    def _repr_svg_(self) -> str:
        return self.svg


def diagram(*lit: str) -> Diagram:
    """The network with the named parts lit, and "you are here" at the first of them.

    Args:
        lit: "clip", "cnn", "tokens", "amdf", "coupling" or "heads"; or of the AMDF block, which is
            then drawn beside the network, "space", "time", "switched", "cross" or "gate".

    Raises:
        ValueError: there is no such part; lists those there are.
    """
    parts = NETWORK | BLOCK
    for name in lit:
        if name not in parts:
            raise ValueError(f"parts of the network are {', '.join(parts)}: got {name!r}")
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.parse(Path(__file__).with_name("diagram.svg")).getroot()
    inside = any(name in BLOCK for name in lit)
    if not inside:
        root.remove(next(group for group in root if group.get("id") == "block"))
        root.set("viewBox", f"0 0 {_WIDTH} 230")
        root.set("width", str(_WIDTH))
    for group in root.iter(f"{{{_SVG}}}g"):
        part = group.get("id")
        if part in (*lit, "amdf" if inside else ""):
            first = " first" if part == lit[0] else ""
            group.set("class", f"{group.get('class')} lit{first}")
    words = f"The network: {'; '.join(NETWORK.values())}."
    if inside:
        words += f" One AMDF block: {'; '.join(BLOCK.values())}."
    if lit:
        words += f" You are here: {'; '.join(parts[name] for name in lit)}."
    root.set("aria-label", words)
    return Diagram(ElementTree.tostring(root, encoding="unicode"), words)
