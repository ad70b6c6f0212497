"""One place for versions: environment.yml adds none, and the constraints fit pyproject.toml.

conda itself is not run: what it does with this file is `pip install -c constraints.txt -e .[dev]`.
"""

import re
import tomllib
from importlib.metadata import distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
CONSTRAINTS = (ROOT / "constraints.txt").read_text()

EXTRAS = [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
REQUIREMENTS = [Requirement(text) for text in PROJECT["dependencies"] + EXTRAS]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", CONSTRAINTS, flags=re.MULTILINE))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_environment_yml_names_a_python_the_project_allows_and_installs_what_make_installs():
    python, name, commands = ENVIRONMENT["dependencies"]
    assert name == "pip"
    version_wanted = python.removeprefix("python=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(version_wanted)
    options, target = commands["pip"]
    said = f"pip install -q {options} -{target[1]} '{target[3:]}'"
    assert said in (ROOT / "Makefile").read_text()
    assert "dev" in PROJECT["optional-dependencies"]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_a_requirement_has_one_tested_version_and_is_met_here(requirement: Requirement):
    pins = {canonical(name): pin for name, pin in PINS.items()}
    for found in (pins[canonical(requirement.name)], version(requirement.name)):
        assert requirement.specifier.contains(found, prereleases=True)


def test_constraints_are_pins_alone():
    """No host, no path, no local version that only one machine can find."""
    lines = [line for line in CONSTRAINTS.splitlines() if not line.startswith("#")]
    assert len(lines) == len(PINS)
    assert not [pin for pin in PINS.values() if "+" in pin]
    assert PINS["torch"] == "2.13.0"
    assert PINS["torchvision"] == "0.28.0", "0.28.0 is torch 2.13.0's pair"


def test_every_pin_runs_on_the_oldest_python_the_project_allows():
    """Debian 12 still has 3.11.2; a pin that wants 3.11.5 makes the whole set impossible there."""
    oldest = PROJECT["requires-python"].removeprefix(">=")
    refused = [
        distribution.name
        for distribution in distributions()
        if PINS.get(distribution.name) == distribution.version
        and not SpecifierSet(distribution.metadata["Requires-Python"] or "").contains(oldest)
    ]
    assert not refused
