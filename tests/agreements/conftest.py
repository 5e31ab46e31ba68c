import pytest

from console import vault
from console.adapters.ca import DevelopmentAuthority


@pytest.fixture
def ca(world, tmp_path) -> DevelopmentAuthority:
    return DevelopmentAuthority(tmp_path / "ca", vault.current())
