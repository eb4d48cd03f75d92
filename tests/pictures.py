"""Reads a picture of render/ as a reader does, and checks what is true of every one."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from render import chart


def near(expected, tolerance):
    return pytest.approx(expected, abs=tolerance)


def middle(element):
    """The height of an element's middle."""
    half = {"rect": 6, "text": -4.5}.get(element.tag, 0)
    return float(element.get("y") or element.get("cy")) + half


def places(elements):
    """Where each element is: in per cent, and in pixels from above."""
    return [
        (float((one.get("x") or one.get("cx")).removesuffix("%")), middle(one))
        for one in elements
    ]


class Picture:
    """A picture; places along x are in per cent of its plot, and along y in pixels."""

    def __init__(self, text):
        self.text, self.root = text, ET.fromstring(text)
        self.description = self.root.findtext("desc")
        style = dict(part.split(":") for part in self.root.get("style").split(";"))
        self.height = float(style["height"].removesuffix("px"))
        _, right, _, left = style["padding"].split()
        self.left, self.right = float(left.removesuffix("px")), float(right.removesuffix("px"))
        assert len(text.encode()) < 15_000
        assert "\n" not in text
        assert self.root.get("role") == "img"
        assert self.root.get("aria-label") and self.description
        assert "data-search-exclude" in self.root.attrib
        assert not re.search(
            r" id=|#[0-9a-fA-F]{3}\b|<style|<script|href|http|undefined|nan%|inf", text
        )
        # Text keeps its size: there is no scale but that of the paths, which hold no text.
        assert (self.root.get("font-size"), self.root.get("viewBox")) == ("13", None)
        assert 12 <= float(self.root.get("font-size")) <= 14
        assert not self.root.findall("svg[@viewBox]//text")
        self.check_words_at(328)  # on a page of 360
        self.check_words_at(764)  # of 1280

    def check_words_at(self, pixels):
        """All words are inside the picture, and none lies on another, on a page so wide."""
        plot = pixels - self.left - self.right
        boxes = []
        for group in self.root.findall("g"):
            for one in group.findall("text"):
                x = self.left + plot * float(one.get("x")[:-1]) / 100 + float(one.get("dx", 0))
                length = chart.LETTER * len(one.text)
                x -= {"middle": length / 2, "end": length}.get(group.get("text-anchor"), 0)
                boxes.append((x, x + length, middle(one), one.text))
        for x, x2, y, words in boxes:
            assert x >= -1 and x2 <= pixels + 1 and 0 < y < self.height, (words, x, x2, y)
        for one, other in itertools.combinations(boxes, 2):
            apart = one[1] <= other[0] or other[1] <= one[0] or abs(one[2] - other[2]) >= 12
            assert apart, (pixels, one, other)

    def all(self, name):
        """The elements of the groups with the class bp-NAME."""
        return [one for group in self.root.findall(f"g[@class='bp-{name}']") for one in group]

    def texts(self, name):
        return [one.text for one in self.all(name)]

    def tooltips(self, name):
        return [one.findtext(".//title") for one in self.all(name)]

    def places(self, name):
        return places(self.all(name))

    def outlines(self, name):
        """The numbers of each part of the paths with the class bp-NAME."""
        paths = self.root.findall(f"svg/path[@class='bp-{name}']")
        parts = re.findall("M[^M]+", "".join(path.get("d") for path in paths))
        return [[float(number) for number in re.findall(r"-?[\d.]+", part)] for part in parts]

    def boxes(self, name):
        """Each rectangle: from and to in per cent, upper and lower edge."""
        return [
            (x / 10, (x + width) / 10, y, y + height)
            for x, y, width, height, _ in self.outlines(name)
        ]
