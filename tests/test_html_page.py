"""The reader of the site's pages reads them to their end."""

import pytest

from tests.html_page import Page

HTML = """\
<head><link rel="stylesheet" href="style.css"><link rel="canonical" href="there"></head>
<nav>not in the article</nav>
<article id="top">
<p>First <code>code</code>, <data value="2">2 s</data>.<br> Then <a href="#top">a link</a>.
<svg><path d="M0 0"><title>a tooltip</title></path><path d="M1 1"/><g>in a picture</g></svg>
<p>Behind the picture it took 3.42 s.</b>
<pre><code>$ python <span>x.py</span>
</code></pre>
<p>At &lt;the&gt; end.</p></span></article>
<footer>nor this</footer>
"""


@pytest.fixture
def page(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(HTML, encoding="utf-8")
    return Page(file)


def test_prose_is_read_to_the_end_of_the_article(page):
    prose = " ".join(page.prose.split())
    assert prose == (
        "First | , | . Then a link. | | Behind the picture it took 3.42 s. At <the> end."
    )
    assert page.share_of_prose() == 1


def test_what_else_there_is(page):
    assert page.codes == ["$ python x.py\n"]
    assert (page.ids, page.links, page.loads) == ({"top"}, ["#top"], ["style.css"])
    assert page.open == []


def test_a_reader_that_loses_its_place_is_found_out(page, monkeypatch):
    def pop_whatever_is_there(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    monkeypatch.setattr(Page, "handle_endtag", pop_whatever_is_there)
    assert Page(page.file).share_of_prose() < 0.9
