"""The views of the portal ask nothing of a database that the services below do not: those who walk through views alone take SQLite."""

import pytest

ON_BOTH = {"test_sign_in", "test_way"}  # locks, limits, and the whole way of a case


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(
        "postgres_url" if getattr(request, "param", "sqlite") == "postgresql" else "sqlite_url"
    )
    return url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ON_BOTH:
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
