"""The film to look at: both sides on one clock, gaps told, time and licence burned in, seekable. Judged by decoding it."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests import films
from worker import cutting_room as room
from worker import fonts
from worker.cutting_room import CutFailed, Piece, Plan, cut

CLAP = 2000  # ms on the call's clock, on both sides
LENGTH = 7000
GAP = (3000, 4500)
LATE = 700  # ms the witness joins after the investor
LINE = "见证人 陆文珊　执业资格证号 F0300127　受理单 20261120-0001"


@dataclass
class Shown:
    """A film decoded: times (ms) with their luma, sound as samples of 48 kHz."""

    times: list[int]
    pictures: list[np.ndarray]
    keys: list[int]
    sound: np.ndarray

    @classmethod
    def of(cls, path: Path) -> "Shown":
        times, pictures, keys, sound = [], [], [], []
        with av.open(str(path)) as film:
            for frame in film.decode(video=0):
                times.append(round(frame.time * 1000))
                pictures.append(frame.to_ndarray()[: frame.height])
                keys += times[-1:] if frame.key_frame else []
        with av.open(str(path)) as film:
            sound = [frame.to_ndarray()[0] for frame in film.decode(audio=0)]
        return cls(times, pictures, keys, np.concatenate(sound))

    def at(self, ms: int) -> np.ndarray:
        return self.pictures[max(n for n, time in enumerate(self.times) if time <= ms)]

    def pane(self, ms: int, side: int) -> np.ndarray:
        return self.at(ms)[: room.PANE[1], side * room.PANE[0] : (side + 1) * room.PANE[0]]

    def flash(self, side: int) -> int:
        """When the pane turned white."""
        return next(time for time in self.times if self.pane(time, side).mean() > 180)

    def beeps(self) -> int:
        """When it was loud first, in ms."""
        return int(np.argmax(np.abs(self.sound) > 0.1) * 1000 / room.RATE)


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Piece, Path]]]:
    """The investor's line breaks for a second and a half; the witness comes later and stays."""
    folder = tmp_path_factory.mktemp("takes")
    return {
        "investor": [
            (Piece(0, GAP[0]), films.clapper(folder / "i1.webm", seconds=GAP[0] / 1000, claps=[CLAP / 1000])),
            (Piece(GAP[1], LENGTH - GAP[1]), films.clapper(folder / "i2.webm", seconds=2.5, claps=[], size=(240, 320))),
        ],
        "witness": [
            (
                Piece(LATE, LENGTH - LATE),
                films.clapper(folder / "w.webm", seconds=(LENGTH - LATE) / 1000, claps=[(CLAP - LATE) / 1000]),
            )
        ],
    }


def made(
    takes: dict[str, list[tuple[Piece, Path]]], path: Path, font: str | None = fonts.chinese(), length: int = LENGTH
) -> Path:
    plan = Plan(
        films.STARTED.isoformat(), length, [(0, LINE)], font, *([piece for piece, _ in takes[side]] for side in takes)
    )
    with path.open("w+b") as out:
        sources = {side: [lambda film=film: [film.read_bytes()] for _, film in takes[side]] for side in takes}
        cut(plan, sources, out)
    return path


@pytest.fixture(scope="module")
def film(takes: dict[str, list[tuple[Piece, Path]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(takes, tmp_path_factory.mktemp("made") / "view.webm")


@pytest.fixture(scope="module")
def shown(film: Path) -> Shown:
    return Shown.of(film)


def test_a_clap_on_both_sides_is_seen_and_heard_at_its_time(shown: Shown) -> None:
    clapped = [shown.flash(0), shown.flash(1), shown.beeps()]
    assert max(clapped) - min(clapped) <= 100, clapped
    assert all(abs(each - CLAP) <= 100 for each in clapped), clapped


def test_what_was_not_recorded_is_a_dark_panel_while_the_other_side_goes_on(shown: Shown) -> None:
    middle = sum(GAP) // 2
    assert np.median(shown.pane(middle, 0)) < 40 < np.median(shown.pane(middle, 1))
    assert np.median(shown.pane(LATE // 2, 1)) < 40 < np.median(shown.pane(LATE // 2, 0))
    assert np.median(shown.pane(GAP[1] + 1000, 0)) > 40


def test_the_film_begins_with_a_picture_though_sound_comes_first_and_stays_on_its_clock(tmp_path: Path) -> None:
    """As the node records: sound from the first moment on, the picture with the first key frame."""
    piece = Piece(0, 3000)
    seen_late = films.clapper(tmp_path / "i.webm", seconds=2.2, claps=[1.0], seen_after=800)
    later = films.clapper(tmp_path / "w.webm", seconds=1.5, claps=[])
    takes = {"investor": [(piece, seen_late)], "witness": [(Piece(1500, 1500), later)]}
    shown = Shown.of(made(takes, tmp_path / "out.webm", length=3000))
    assert np.median(shown.pane(0, 0)) > 40 > np.median(shown.pane(0, 1)), (
        "the first picture; the other side is not there yet"
    )
    assert shown.flash(0) == pytest.approx(1800, abs=100), "nothing is earlier for it"
    assert shown.beeps() == pytest.approx(1000, abs=100)


def test_a_side_whose_picture_comes_much_later_shows_none_before(tmp_path: Path) -> None:
    seen_late = films.clapper(tmp_path / "i.webm", seconds=1, claps=[], seen_after=room.LEAD_IN + 500)
    takes = {"investor": [(Piece(0, 5000), seen_late)], "witness": []}
    shown = Shown.of(made(takes, tmp_path / "out.webm", length=5000))
    assert np.median(shown.pane(room.LEAD_IN + 400, 0)) < 40 < np.median(shown.pane(room.LEAD_IN + 700, 0))


def test_the_panel_says_why(shown: Shown) -> None:
    assert shown.pane(sum(GAP) // 2, 0)[200:280, 220:420].max() > 180


def test_a_phone_held_upright_is_shown_whole_between_dark_bars(shown: Shown) -> None:
    pane = shown.pane(GAP[1] + 1000, 0)
    assert pane[:, 320].min() > 60 and pane[:, :100].max() < 60


def test_the_servers_time_changes_below_the_picture_every_second(shown: Shown) -> None:
    strips = [shown.at(second * 1000 + 500)[room.PANE[1] :, :400].astype(int) for second in range(LENGTH // 1000)]
    assert all(np.abs(a - b).max() > 60 for a, b in pairwise(strips))
    assert shown.at(500)[room.PANE[1] :, 400:1060].max() > 180, "name and licence stand beside it"


def test_it_can_be_entered_everywhere_and_says_how_long_it_is(film: Path, shown: Shown) -> None:
    assert max(b - a for a, b in zip([0, *shown.keys], [*shown.keys, LENGTH], strict=True)) <= 5100
    with av.open(str(film)) as opened:
        assert opened.duration == pytest.approx(LENGTH * 1000, abs=100_000)
        opened.seek(6_000_000)
        assert 4.9 < next(opened.decode(video=0)).time < 6.1


def test_without_a_font_nothing_is_burned_in(takes: dict[str, list[tuple[Piece, Path]]], tmp_path: Path) -> None:
    short = {side: pieces[:1] for side, pieces in takes.items()}
    with av.open(str(made(short, tmp_path / "plain.webm", font=None, length=500))) as opened:
        assert (opened.streams.video[0].width, opened.streams.video[0].height) == (1280, 480)


def test_a_recording_that_cannot_be_read_makes_no_film(takes, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def broken():  # type: ignore[no-untyped-def]
        yield takes["investor"][0][1].read_bytes()[:5000]
        raise OSError("a bad block")

    plan = Plan(films.STARTED.isoformat(), 2000, [(0, LINE)], None, [Piece(0, 2000)], [])
    with (tmp_path / "out.webm").open("w+b") as out, pytest.raises(CutFailed, match="cannot be read"):
        cut(plan, {"investor": [broken], "witness": []}, out)


def test_the_frames_of_a_stranger_that_no_decoder_takes_leave_the_rest(takes, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = films.film(tmp_path / "rubbish.webm", 2)
    strange = {"investor": [(Piece(0, 2000), path)], "witness": takes["witness"]}
    assert Shown.of(made(strange, tmp_path / "out.webm", length=2500)).flash(1) == pytest.approx(CLAP, abs=100)
