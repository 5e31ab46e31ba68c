"""Every step has its two sides, every job has its function."""

import inspect
from pkgutil import resolve_name

import pytest

from console.assets import ROOT
from console.businesses import BUSINESSES
from console.businesses.steps import Desk
from console.jobs import Job
from console.portal.steps import module_of

KEYS = sorted({step.key for b in BUSINESSES.values() for step in b.steps if step.desk is not Desk.REVIEWER})
TEMPLATES = ROOT / "templates" / "steps"


@pytest.mark.parametrize("key", KEYS)
def test_every_step_has_its_module_and_both_templates(key: str) -> None:
    module = module_of(key)
    for name, takes in (("show", 2), ("submit", 4), ("facts", 2)):
        assert len(inspect.signature(getattr(module, name)).parameters) == takes, f"{key}.{name}"
    assert (TEMPLATES / key / "fill.html").is_file()
    assert (TEMPLATES / key / "review.html").is_file()


def test_no_step_is_left_over_from_a_business_that_is_gone() -> None:
    modules = {path.stem for path in (ROOT / "console" / "portal" / "steps").glob("[!_]*.py")}
    folders = {path.name for path in TEMPLATES.iterdir() if path.is_dir()}
    assert (set(KEYS) - modules, folders - set(KEYS)) == (set(), set())


@pytest.mark.parametrize("job", list(Job))
def test_every_job_resolves_to_a_function_that_says_it_may_run_twice(job: Job) -> None:
    function = resolve_name(str(job))
    assert callable(function)
    assert function.__doc__, f"{job} says nothing about running twice"


@pytest.mark.parametrize("business", list(BUSINESSES.values()), ids=lambda business: business.code)
def test_a_step_vouches_only_for_steps_before_it(business) -> None:
    for place, step in enumerate(business.steps):
        before = {each.key for each in business.steps[:place]}
        assert step.vouches_for == {"*"} or step.vouches_for <= before, step.key
