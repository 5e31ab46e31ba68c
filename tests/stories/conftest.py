"""What every story may ask for: an instance under `console run`, browsers, pictures, and who plays."""

from .cast import cast  # noqa: F401
from .stage import (  # noqa: F401
    browsers,
    desktops,
    open_page,
    phones,
    pictures,
    pytest_runtest_makereport,
    running,
)
