"""``python -m console.assets``: the browser libraries from npm into ``console/static/vendor``, and one sprite of the icons in use.

Only the standard library; safe to run at any time; quick when nothing changed. An icon is *used* when a template or a
script of ours says so in one of these ways:

- ``icon('eye')``, ``icon('eye' if hidden else 'eye-off')`` (also in JavaScript: ``icon(hidden ? "eye" : "eye-off")``)
- ``icon='eye'`` as an argument of a macro, or a kind and an icon side by side: ``pill('已通过', 'ok', 'check')``
- ``data-icon="eye"``, ``#i-eye``
- a comment ``icons: eye eye-off`` where the names are put together at run time.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
STATIC = Path(__file__).parent / "static"
MODULES = ROOT / "node_modules"

LIBRARIES: dict[str, tuple[str, ...]] = {  # file in vendor: what it is put together from
    "tabler.min.css": ("@tabler/core/dist/css/tabler.min.css",),
    "htmx.min.js": ("htmx.org/dist/htmx.min.js",),
    "uPlot.js": ("uplot/dist/uPlot.esm.js",),
    "uPlot.min.css": ("uplot/dist/uPlot.min.css",),
    "socket.io.js": ("socket.io-client/dist/socket.io.esm.min.js",),
    # tsyringe inside x509 wants Reflect.getMetadata; both files are classic scripts, together with one export they are one module
    "x509.js": ("reflect-metadata/Reflect.js", "@peculiar/x509/build/x509.js"),
}
TAILS = {"x509.js": "\nexport default x509;\n"}

QUOTED = r"""['"]([a-z0-9-]+)['"]"""
MARKS = (
    re.compile(rf"\bicon(?:\(\s*|\s*=\s*){QUOTED}(?:\s+if\s[^(){{}}]*?\selse\s+{QUOTED})?"),
    re.compile(rf"\bicon(?:\(\s*|\s*=\s*)[\w.!=<> \"']*?\?\s*{QUOTED}\s*:\s*{QUOTED}"),
    re.compile(rf",\s*['\"](?:ok|wait|bad|act)?['\"]\s*,\s*{QUOTED}\s*[,)]"),
    re.compile(r"data-icon=\"([a-z0-9-]+)\""),
    re.compile(r"#i-([a-z0-9-]+)"),
)
DECLARED = re.compile(r"\bicons:((?: +[a-z0-9-]+)+)")
SOURCE_MAP = re.compile(r"^(?://# sourceMappingURL=.*|/\*# sourceMappingURL=.*\*/)$", re.MULTILINE)
BLANK_PATH = re.compile(r'<path stroke="none"[^>]*/>')


class AssetError(Exception):
    """What is missing, and how to get it."""


@dataclass(frozen=True)
class Use:
    """An icon's name and the file that uses it."""

    name: str
    where: Path


def install(root: Path = ROOT) -> bool:
    """Run ``npm ci`` unless node_modules already is what package-lock.json asks for. Returns whether it ran."""
    wanted = hashlib.sha256(
        (root / "package.json").read_bytes() + (root / "package-lock.json").read_bytes()
    ).hexdigest()
    installed = root / "node_modules" / ".installed"
    if installed.exists() and installed.read_text() == wanted:
        return False
    if shutil.which("npm") is None:
        raise AssetError(
            "npm is missing: install Node.js 20 or newer (https://nodejs.org, or: apt-get install nodejs npm)"
        )
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=root, check=False).returncode != 0:
        raise AssetError(f"'{' '.join(command)}' failed; its own words are above")
    installed.write_text(wanted)
    return True


def copy_libraries(modules: Path, vendor: Path, libraries: dict[str, tuple[str, ...]] = LIBRARIES) -> list[str]:
    """Put the pinned files together in ``vendor``, without references to source maps we do not ship. Returns what changed."""
    return [
        name
        for name, parts in libraries.items()
        if _write(vendor / name, "\n".join(_text(modules / part) for part in parts) + TAILS.get(name, ""))
    ]


def used_icons(places: Iterable[Path]) -> Iterator[Use]:
    """Every icon named in the templates and scripts under ``places``."""
    for place in places:
        for path in sorted(
            p for p in place.rglob("*") if p.suffix in (".html", ".js", ".svg") and "vendor" not in p.parts
        ):
            text = path.read_text(encoding="utf-8")
            for mark in MARKS:
                for found in mark.finditer(text):
                    yield from (Use(name, path) for name in found.groups() if name)
            for declared in DECLARED.finditer(text):
                yield from (Use(name, path) for name in declared[1].split())


def sprite(uses: Iterable[Use], outlines: Path) -> str:
    """One SVG with ``<symbol id="i-NAME">`` for each icon in use. Raises ``AssetError`` for a name that Tabler does not have."""
    by_name = {use.name: use for use in uses}
    unknown = [use for use in by_name.values() if not (outlines / f"{use.name}.svg").exists()]
    if unknown:
        told = "; ".join(f"'{use.name}' in {use.where}" for use in unknown)
        raise AssetError(f"no such icon: {told}. The names are the files in {outlines}")
    symbols = "\n".join(
        _symbol(name, (outlines / f"{name}.svg").read_text(encoding="utf-8")) for name in sorted(by_name)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n'


def build(root: Path = ROOT) -> list[str]:
    """Everything, in order. Returns the vendor files that changed."""
    vendor = root / "console" / "static" / "vendor"
    modules = root / "node_modules"
    install(root)
    vendor.mkdir(parents=True, exist_ok=True)
    changed = copy_libraries(modules, vendor)
    uses = used_icons((root / "templates", root / "console" / "static" / "js"))
    if _write(vendor / "icons.svg", sprite(uses, modules / "@tabler" / "icons" / "icons" / "outline")):
        changed.append("icons.svg")
    _write(vendor / ".stamp", json.dumps(sorted([*LIBRARIES, "icons.svg"])))
    return changed


def _symbol(name: str, svg: str) -> str:
    inner = BLANK_PATH.sub("", svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")])
    return f'<symbol id="i-{name}" viewBox="0 0 24 24">{"".join(line.strip() for line in inner.splitlines())}</symbol>'


def _text(path: Path) -> str:
    if not path.exists():
        raise AssetError(f"{path} is missing: remove node_modules and run this again")
    return SOURCE_MAP.sub("", path.read_text(encoding="utf-8")).rstrip() + "\n"


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def main() -> int:
    try:
        changed = build()
    except AssetError as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    print(f"assets: {', '.join(changed) or 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
