"""From a file to the canonical text: the same bytes the same text, nothing in it that acts, clear words when it cannot be."""

import re

import pytest

from console.agreements.importing import MOST_BYTES, PAGE, BadFile, canonical, characters, heading, pages
from tests.agreements.given import text

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><circle/></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)></style></mglyph></math>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<embed src='//evil.example/x.swf'>",
    "<a href='javascript:alert(1)'>点这里</a>",
    "<a href='https://evil.example'>点这里</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>点这里</a>",
    "<p style='background:url(https://evil.example)'>x</p>",
    "<style>@import 'https://evil.example'; p{background:url(//evil.example)}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example/'>",
    "<form action='https://evil.example'><input name=p><button>提交</button></form>",
    "<p onmouseover=alert(1) onclick='alert(1)'>x</p>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video src=x onerror=alert(1)></video>",
    "<body onload=alert(1)>x",
    "<table background='javascript:alert(1)'><tr><td>x</td></tr></table>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<template><script>alert(1)</script></template>",
    "<!--><script>alert(1)</script>-->",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<p id=document name=cookie class=btn data-opens='#x'>x</p>",
    "<ol start='1' onfocus=alert(1)><li>x</li></ol>",
    "[链接](javascript:alert(1))",
    "![图](https://evil.example/track.png)",
    "<https://evil.example>",
)
ALLOWED = re.compile(
    r"</?(h[1-4]|p|br|hr|blockquote|ul|ol|li|strong|b|em|u|sub|sup|table|thead|tbody|tr|th|td|caption)"
    r'( (start|colspan|rowspan)="[^"<>]*")*>'
)


@pytest.mark.parametrize("ending", ["md", "html"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_acts_or_fetches_survives(attack: str, ending: str) -> None:
    html = canonical(f"<p>正文</p>\n\n{attack}\n\n<p>结尾</p>".encode(), f"x.{ending}")
    assert "正文" in html and "结尾" in html
    left = ALLOWED.sub("", html)
    assert "<" not in left, "an element or attribute outside the list"


def test_the_same_bytes_give_the_same_text_and_the_text_stays_itself() -> None:
    once = canonical(text("合同"), "a.md")
    assert once == canonical(text("合同"), "b.markdown")
    assert canonical(once.encode(), "c.html") == once


def test_markdown_keeps_headings_lists_tables_and_emphasis() -> None:
    html = canonical("# 题\n\n1. 一\n2. **二**\n\n|甲|乙|\n|-|-|\n|1|2|\n".encode(), "a.md")
    for expected in ("<h1>题</h1>", "<ol>", "<strong>二</strong>", "<th>甲</th>", "<td>2</td>"):
        assert expected in html


def test_a_file_in_gbk_is_read_as_chinese() -> None:
    assert "期货经纪合同" in canonical("<h1>期货经纪合同</h1>".encode("gbk"), "合同.htm")
    assert "期货经纪合同" in canonical("﻿# 期货经纪合同".encode(), "合同.md")


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        (b"", "a.md", "空"),
        (b" \n\t", "a.md", "空"),
        (b"x" * (MOST_BYTES + 1), "a.md", "2 MB"),
        (b"# x", "a.docx", "Markdown"),
        (b"# x", "", "Markdown"),
        (b"PK\x03\x04\0\0", "a.html", "编码"),
        ("# 题".encode("utf-16"), "a.md", "编码"),
        (b"\xff\xfe\xfa\xff\xff", "a.md", "编码"),
        (b"<script>alert(1)</script>", "a.html", "没有文字"),
        (b"![x](y.png)", "a.md", "没有文字"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_what_to_do(source: bytes, name: str, said: str) -> None:
    with pytest.raises(BadFile) as refused:
        canonical(source, name)
    assert said in refused.value.text
    assert refused.value.text.startswith(name or "文件")


def test_the_pages_are_the_whole_text_in_order_and_no_page_is_longer_than_its_blocks_ask_for() -> None:
    html = canonical(text("合同", 60), "a.md")
    cut = pages(html)
    assert "".join(cut).replace("\n", "") == html.replace("\n", "")
    assert len(cut) > 5
    assert all(characters(page) <= PAGE for page in cut)


def test_a_block_longer_than_a_page_is_a_page_of_its_own() -> None:
    cut = pages(canonical(("短\n\n" + "长" * 900 + "\n\n尾").encode(), "a.md"))
    assert [characters(page) for page in cut] == [1, 900, 1]


def test_the_first_heading_is_the_title_in_plain_words() -> None:
    assert heading(canonical("# 甲 & **乙**\n\n# 丙".encode(), "a.md")) == "甲 & 乙"
    assert heading(canonical(b"plain", "a.md")) == ""
