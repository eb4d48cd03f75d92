"""Reads a page as the build has written it, for the tests of the site."""

import html
import html.parser
import re

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta"}
VOID |= {"source", "track", "wbr"}  # they have no end tag
NO_PROSE = {
    "code",
    "data",
    "q",
    "samp",
    "svg",
    "script",
    "style",
}  # what no sentence says by itself
LOADING = {"script", "img", "iframe", "source"}
NOT_LOADED = {"canonical", "next", "prev", "alternate"}


class Page(html.parser.HTMLParser):
    """One page: its ids, its links, what it loads, its code blocks, and its prose."""

    def __init__(self, file):
        super().__init__()
        self.file, self.text = file, file.read_text(encoding="utf-8")
        self.ids, self.links, self.loads, self.codes = set(), [], [], []
        self.prose, self.open = "", []
        self.unbalanced = []  # end tags that end nothing, or what is open, and where
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids.update(filter(None, (named.get("id"), named.get("name"))))
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if tag in LOADING and named.get("src"):
            self.loads.append(named["src"])
        if tag == "link" and named.get("rel") not in NOT_LOADED:
            self.loads.append(named["href"])
        if tag == "pre":
            self.codes.append("")
        if tag not in VOID:
            self.open.append(tag)
        self.prose += " "  # else the words of two elements become one

    def handle_endtag(self, tag):
        if "article" in self.open and self.open[-1] != tag:
            self.unbalanced.append((tag, self.open[-3:], self.getpos()))
        if tag in self.open:  # an end tag too many closes nothing, least of all the article
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if "pre" in self.open:
            self.codes[-1] += data
        elif "article" in self.open:
            self.prose += " | " if NO_PROSE & set(self.open) else data

    def share_of_prose(self):
        """Return how much of the article's prose was read: 1, unless the reader lost its place.

        What there is to read is found in another way: by taking away what is no prose.
        """
        article = "".join(re.findall(r"<article.*?</article>", self.text, re.DOTALL))
        for tag in ("pre", *sorted(NO_PROSE)):
            inner = rf"<{tag}\b(?:(?!<{tag}\b).)*?</{tag}>"  # a drawing has drawings within
            while (shorter := re.sub(inner, " ", article, flags=re.DOTALL)) != article:
                article = shorter
        there = words(html.unescape(re.sub(r"<.*?>", " ", article, flags=re.DOTALL)))
        return len(words(self.prose)) / max(1, len(there))


def words(text):
    return re.findall(r"\w+", text)
