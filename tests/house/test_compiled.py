"""What is compiled must be what is read."""

import importlib
import runpy
from pathlib import Path

import pytest
import setuptools
from mypyc import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packet_path() -> list[str]:
    with pytest.MonkeyPatch.context() as patch:  # only the list is wanted, nothing is to be built
        patch.setattr(build, "mypycify", lambda *arguments, **options: [])
        patch.setattr(setuptools, "setup", lambda **options: None)
        names: list[str] = runpy.run_path(str(ROOT / "setup.py"))["PACKET_PATH"]
    return names


def test_no_part_of_the_engine_runs_as_it_was_before_its_source_changed(packet_path: list[str]) -> None:
    assert packet_path
    for name in packet_path:
        loaded = Path(str(importlib.import_module(f"worker.media.{name}").__file__))
        source = ROOT / "worker" / "media" / f"{name}.py"
        assert loaded.stat().st_mtime >= source.stat().st_mtime, (
            f"{loaded.name} is older than {source.name}: run make .venv/.run"
        )
