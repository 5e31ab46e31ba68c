"""From the bytes of a file to the canonical text: one clean piece of HTML, the same for the same bytes.

Markdown (CommonMark with tables) and HTML both go through one allow-list (nh3). Nothing is fetched; scripts, styles, links, pictures and
every attribute that could act are gone, their words stay. What people read, hash and sign is exactly what comes out of here.
"""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import PurePath

import nh3
from markdown_it import MarkdownIt

from console.problem import Problem

MOST_BYTES = 2 * 1024 * 1024
MARKDOWN, HTML = {".md", ".markdown"}, {".html", ".htm"}
TAGS = {
    *("h1", "h2", "h3", "h4", "p", "br", "hr", "blockquote", "ul", "ol", "li", "strong", "b", "em", "u", "sub", "sup"),
    *("table", "thead", "tbody", "tr", "th", "td", "caption"),
}
ATTRIBUTES = {"ol": {"start"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
WITH_THEIR_WORDS = {  # here the words go too: they were never meant to be read
    *(
        "script",
        "style",
        "title",
        "template",
        "noscript",
        "iframe",
        "object",
        "embed",
        "svg",
        "math",
        "select",
        "textarea",
    ),
}
PAGE = 320  # characters, about one screen of a phone at the size of the reading page
VOID = {"br", "hr"}
SPACE = re.compile(r"\s+")


class BadFile(Problem):
    """A file that cannot become an agreement. The text names the file and says what to do."""

    status, code = 422, "bad_agreement_file"

    def __init__(self, source_name: str, what: str):
        super().__init__(source_name, text=f"{source_name or '文件'}：{what}")


def canonical(source: bytes, source_name: str) -> str:
    """The text of a Markdown or HTML file as clean HTML, UTF-8, ending in one newline. Raises BadFile."""
    kind = PurePath(source_name).suffix.lower()
    if kind not in MARKDOWN | HTML:
        raise BadFile(source_name, "只能导入 Markdown（.md）或 HTML（.html）文件。请另存为其中一种格式后重试。")
    if not source.strip():
        raise BadFile(source_name, "文件是空的。请检查导出是否完成，再重新上传。")
    if len(source) > MOST_BYTES:
        raise BadFile(source_name, "文件超过 2 MB。请去掉内嵌的图片后重试。")
    text = _decoded(source, source_name)
    marked = MarkdownIt("commonmark").enable("table").render(text) if kind in MARKDOWN else text
    html = nh3.clean(
        marked, tags=TAGS, attributes=ATTRIBUTES, clean_content_tags=WITH_THEIR_WORDS, url_schemes=set(), link_rel=None
    )
    html = "\n".join(line.rstrip() for line in html.replace("\r\n", "\n").split("\n") if line.strip()) + "\n"
    if not characters(html):
        raise BadFile(source_name, "去掉脚本、样式和图片以后没有文字。请检查文件内容。")
    return html


def _decoded(source: bytes, source_name: str) -> str:
    if b"\0" not in source:
        for encoding in ("utf-8-sig", "gb18030"):  # GB 18030 holds GBK and GB 2312
            try:
                return source.decode(encoding)
            except UnicodeDecodeError:
                continue
    raise BadFile(source_name, "不是 UTF-8 或 GBK 编码的文本。请用“另存为 UTF-8”保存后重试。")


class _Blocks(HTMLParser):
    """The blocks that lie side by side in canonical HTML, each as the markup it came in and its number of characters."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.blocks: list[tuple[str, int]] = []
        self._depth, self._markup, self._characters = 0, "", 0
        self.heading = ""
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._depth == 0 and tag not in VOID:
            self.flush()
        self._markup += self.get_starttag_text() or ""
        self._depth += tag not in VOID
        self._in_heading |= tag == "h1" and not self.heading

    def handle_endtag(self, tag: str) -> None:
        self._markup += f"</{tag}>"
        self._depth -= 1
        self._in_heading &= tag != "h1"
        if self._depth == 0:
            self.flush()

    def handle_data(self, data: str) -> None:
        self._add(data, len(SPACE.sub("", data)))

    def handle_entityref(self, name: str) -> None:
        self._add(f"&{name};", 1)

    def handle_charref(self, name: str) -> None:
        self._add(f"&#{name};", 1)

    def _add(self, markup: str, characters: int) -> None:
        self._markup += markup
        self._characters += characters
        if self._in_heading:
            self.heading += markup

    def flush(self) -> None:
        if self._markup.strip():
            self.blocks.append((self._markup, self._characters))
        self._markup, self._characters = "", 0


def _parsed(html: str) -> _Blocks:
    parser = _Blocks()
    parser.feed(html)
    parser.close()
    parser.flush()
    return parser


def characters(html: str) -> int:
    """How many characters there are to read, white space not counted."""
    return sum(count for _, count in _parsed(html).blocks)


def heading(html: str) -> str:
    """The words of the first ``h1``, or ''."""
    return SPACE.sub(" ", unescape(_parsed(html).heading)).strip()


def pages(html: str) -> list[str]:
    """The text cut between blocks into pages of about a phone's screen. The cut depends on the text alone, so the server knows how
    many there are, whatever the browser says."""
    cut: list[str] = []
    size = 0
    for markup, count in _parsed(html).blocks:
        if not cut or (size and size + count > PAGE):
            cut.append("")
            size = 0
        cut[-1] += markup
        size += count
    return cut
