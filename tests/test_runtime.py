import threading

import pytest

from console import runtime


def test_until_a_process_says_otherwise_everything_runs_on_threads():
    assert runtime.async_mode() == "threading"


def test_what_is_spawned_runs_beside_the_caller():
    done, go_on = threading.Event(), threading.Event()

    def work(name: str, *, loud: bool) -> None:
        assert go_on.wait(5)
        if (name, loud) == ("photo", True):
            done.set()

    runtime.spawn(work, "photo", loud=True)
    assert not done.is_set()
    go_on.set()
    assert done.wait(5)


def test_offloaded_work_returns_its_result_and_raises_its_errors():
    assert runtime.offload(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        runtime.offload(divmod, 7, 0)
