"""Who plays in a story, and where they get their browsers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from console.seed import DEMO_INVESTORS

from .people import Investor, Reviewer, Witness, with_the_house_open
from .stage import DESKTOP, PHONE, Pictures, Running

PASSWORD = "小船-Lantern-42"
OpenPage = Callable[..., Page]


class Cast:
    """Who plays. Everybody has a browser context of their own; phones and desks are two Chromiums."""

    def __init__(
        self,
        running: Running,
        phones: Browser,
        desktops: Browser,
        open_page: OpenPage,
        pictures: Pictures,
        folder: Path,
    ):
        self.running, self.phones, self.desktops, self.open_page = running, phones, desktops, open_page
        self.pictures, self.folder = pictures, folder

    def investor(self, name: str) -> Investor:
        person = next(each for each in DEMO_INVESTORS if each.name == name)
        return Investor(self.open_page(self.phones, PHONE, phone=True), person, self.pictures, self.folder)

    def witness(self, username: str) -> Witness:
        return Witness(self.open_page(self.desktops, DESKTOP), username, self.pictures)

    def reviewer(self, username: str) -> Reviewer:
        return Reviewer(self.open_page(self.desktops, DESKTOP), username, self.pictures)


@pytest.fixture
def cast(
    running: Running, phones: Browser, desktops: Browser, open_page: OpenPage, pictures: Pictures, tmp_path: Path
) -> Cast:
    with_the_house_open(running)
    return Cast(running, phones, desktops, open_page, pictures, tmp_path)
