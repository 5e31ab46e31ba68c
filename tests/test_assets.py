"""The sprite holds what the pages name, and a name that does not exist stops the build."""

from pathlib import Path

import pytest

from console import assets
from console.assets import AssetError, Use, sprite, used_icons

EYE = '<svg viewBox="0 0 24 24">\n  <path stroke="none" d="M0 0h24v24H0z" fill="none" />\n  <path d="M1 2" />\n</svg>\n'


@pytest.fixture
def outlines(tmp_path: Path) -> Path:
    folder = tmp_path / "outline"
    folder.mkdir()
    for name in ("eye", "eye-off", "check", "video", "phone", "user", "lock"):
        (folder / f"{name}.svg").write_text(EYE)
    return folder


@pytest.fixture
def places(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


def names(place: Path) -> set[str]:
    return {use.name for use in used_icons([place])}


def test_every_way_of_naming_an_icon_is_found(places: Path):
    (places / "page.html").write_text(
        "{{ icon('eye') }} {{ icon('check' if step == 'done' else 'lock', 'big') }} {{ parts.pill('已通过', 'ok', 'user') }}"
        '{# icons: video phone #} <button data-icon="eye-off">'
    )
    assert names(places) == {"eye", "check", "lock", "user", "video", "phone", "eye-off"}


def test_scripts_are_read_too_but_not_the_libraries(places: Path):
    (places / "vendor").mkdir()
    (places / "vendor" / "library.js").write_text('icon("no-such-icon")')
    (places / "page.js").write_text('icon("eye"); icon(shown ? "eye-off" : "check");')
    assert names(places) == {"eye", "eye-off", "check"}


def test_the_sprite_has_one_symbol_for_each_icon_without_the_blank_square(outlines: Path):
    made = sprite([Use("eye", Path("a.html")), Use("eye", Path("b.html")), Use("check", Path("a.html"))], outlines)
    assert made.count("<symbol") == 2
    assert '<symbol id="i-eye" viewBox="0 0 24 24"><path d="M1 2" /></symbol>' in made
    assert "M0 0h24v24H0z" not in made


def test_an_unknown_icon_stops_the_build_and_says_who_named_it(outlines: Path):
    with pytest.raises(AssetError, match=r"'eey' in page\.html"):
        sprite([Use("eey", Path("page.html"))], outlines)


def test_a_missing_library_says_how_to_mend_it(tmp_path: Path):
    with pytest.raises(AssetError, match="remove node_modules"):
        assets.copy_libraries(tmp_path / "node_modules", tmp_path)


def test_references_to_source_maps_we_do_not_ship_are_cut_off(tmp_path: Path):
    (tmp_path / "a.js").write_text("let a = 1;\n//# sourceMappingURL=a.js.map\n")
    (tmp_path / "b.css").write_text("b{}\n/*# sourceMappingURL=b.css.map */")
    libraries = {"a.js": ("a.js",), "b.css": ("b.css",)}
    out = tmp_path / "vendor"
    out.mkdir()
    assert assets.copy_libraries(tmp_path, out, libraries) == ["a.js", "b.css"]
    assert (out / "a.js").read_text() == "let a = 1;\n"
    assert (out / "b.css").read_text() == "b{}\n"
    assert assets.copy_libraries(tmp_path, out, libraries) == []


def test_the_house_itself_names_only_icons_that_exist():
    outlines = assets.MODULES / "@tabler" / "icons" / "icons" / "outline"
    uses = list(used_icons((assets.ROOT / "templates", assets.STATIC / "js")))
    made = sprite(uses, outlines)
    assert uses
    assert all(f'id="i-{use.name}"' in made for use in uses)
