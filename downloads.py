"""Adds to a site that was just built what it offers beside its pages.

Each program as a file, and all of them as a zip; each page as Markdown, for machines and for people
who like it, also in one file; the site as a zip, to read offline. MkDocs calls it through hooks.py;
Zensical ignores hooks, so there it is `python downloads.py site`.
"""

import contextlib
import html
import io
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

from render.runs import EXAMPLES, ROOT
from render.site import walk

OFFLINE = "between-processes.zip"


def add_to(site: Path, nav: list[Any], before: Path | None = None) -> None:
    """Add the programs, the text for machines and the zip to a site.

    Args:
        site: Where the site was built.
        nav: Its navigation, which is the order of its pages.
        before: The site that stood before: of a page that is the same the text is, too.
    """
    programs = {
        file.relative_to(EXAMPLES).as_posix(): file.read_bytes()
        for file in sorted(EXAMPLES.rglob("[!_]*.py"))
    }
    write(site / "programs/programs.zip", make_zip(programs, "programs", zipfile.ZIP_STORED))
    add_markdown(site, nav, before)
    content = {
        file.relative_to(site).as_posix(): file.read_bytes()
        for file in sorted(site.rglob("*.*"))
        if file.is_file() and file.name != OFFLINE
        if file.suffix not in (".map", ".gz") and "lunr" not in file.parts
    }
    write(site / OFFLINE, make_zip(content, "between-processes", zipfile.ZIP_DEFLATED))


def add_markdown(site: Path, nav: list[Any], before: Path | None) -> None:
    """Add NAME.md beside each NAME.html, and llms.txt and llms-full.txt, made from the pages."""
    listed, texts = "", []
    for groups, name in walk(nav):
        page = (site / name).with_suffix(".html").read_text(encoding="utf-8")
        text = (before and text_before(before / name, page)) or as_markdown(page)
        texts.append(text)
        write(site / name, text.encode())
        title = text.partition("\n")[0].removeprefix("# ")
        if groups and f"\n## {groups[0]}\n" not in listed:
            listed += f"\n## {groups[0]}\n\n"
        listed += f"- [{title}]({name}): {description(page)}\n"
    about = description((site / "index.html").read_text(encoding="utf-8"))
    head = f"# Between Processes\n\n> {about}\n"
    whole = "\nAll in one file: [llms-full.txt](llms-full.txt)\n"
    write(site / "llms.txt", f"{head}{whole}\n{listed}".encode())
    write(site / "llms-full.txt", "\n".join([head, *texts]).encode())


def text_before(file: Path, page: str) -> str | None:
    """The Markdown that was made of the same page, unless this module has changed since."""
    with contextlib.suppress(OSError):
        same = article_of(file.with_suffix(".html").read_text("utf-8")) == article_of(page)
        if same and file.stat().st_mtime > Path(__file__).stat().st_mtime:
            return file.read_text(encoding="utf-8")
    return None


def article_of(page: str) -> str:
    """What stands on a page beside its frame."""
    found = re.search(r"<article.*</article>", page, re.DOTALL)
    return found[0] if found else ""


def description(page: str) -> str:
    """What a page says of itself."""
    found = re.search(r'<meta name="description" content="(.*?)"', page)
    return html.unescape(found[1]) if found else ""


class Converter(MarkdownConverter):
    """Turns a page's HTML into Markdown; code stands between fences that it can't end."""

    def convert_pre(self, element: Tag, text: str, parent_tags: Any) -> str:
        """A block of code, to the letter."""
        code = element.get_text()
        longest = max(map(len, re.findall(r"`{3,}", code)), default=2)
        fence = "`" * (longest + 1)
        outer = element.find_parent("div", class_="highlight")
        names = " ".join(outer["class"]) if outer else ""
        language = re.search(r"language-(\w+)", names)
        end = "" if code.endswith("\n") else "\n"
        return f"\n\n{fence}{language[1] if language else ''}\n{code}{end}{fence}\n\n"


def as_markdown(page: str) -> str:
    """A page's article as Markdown, its pictures in words."""
    soup = BeautifulSoup(article_of(page), "html.parser")
    for words in soup.select("svg > desc"):
        picture = words.parent or soup
        picture.replace_with(f"Picture: {picture['aria-label']}: {words.get_text()}")
    for extra in soup.select(".headerlink, script, style, button, .keys, .md-path"):
        extra.decompose()
    for cell in soup.select("tbody th"):
        cell.name = "td"  # of a row of nothing else a second head would be made
    text = Converter(heading_style="ATX", bullets="-").convert_soup(soup)
    return f"{text.strip()}\n"


def make_zip(content: dict[str, bytes], folder: str, method: int) -> bytes:
    """A zip that is the same for the same content, whenever and wherever it is made."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}")  # with the date of 1980
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, method)
    return file.getvalue()


def write(file: Path, content: bytes) -> None:
    """Write a file, and the folder that it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


if __name__ == "__main__":
    from mkdocs.config import load_config

    add_to(Path(sys.argv[1]), load_config(str(ROOT / "mkdocs.yml")).nav or [])
