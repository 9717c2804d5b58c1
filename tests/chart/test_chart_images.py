"""The images' recipes: what every one of them must be."""

from __future__ import annotations

import re
import subprocess
from itertools import chain

import pytest
from support.charts import ROOT

DOCKERFILES = sorted(
    path.relative_to(ROOT)
    for path in chain(
        ROOT.glob("services/*/Dockerfile"), ROOT.glob("*/Dockerfile")
    )
)  # fmt: skip
#: They run to an end or are watched by what starts them.
WITHOUT_PORT = {"models/Dockerfile", "scripts/Dockerfile"}


def lines(dockerfile: object) -> list[str]:
    """Read a recipe with continued lines joined and comments left out."""
    text = (ROOT / str(dockerfile)).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_each_room_that_runs_has_an_image() -> None:
    """Every room but the contracts has a recipe, and what it is installed from."""
    rooms = {path.parent for path in DOCKERFILES}
    made = {path.parent.relative_to(ROOT) for path in ROOT.glob("services/*/pyproject.toml")}
    assert {str(room) for room in made} - {"services/contracts"} <= {str(room) for room in rooms}


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_an_image_is_small_pinned_and_without_root(dockerfile: object) -> None:
    """A base by argument, locked requirements, a numeric user, labels, a health check."""
    recipe = lines(dockerfile)
    bases = [line for line in recipe if line.startswith("FROM ")]
    assert len(bases) >= 2
    assert all(re.match(r"FROM \$\{[A-Z]+_IMAGE\}( AS [a-z]+)?$", line) for line in bases)
    assert not any(":latest" in line for line in recipe)
    assert any("--require-hashes" in line for line in recipe)
    last = recipe[recipe.index(bases[-1]) :]
    assert "USER 10001:10001" in last
    assert any(line.startswith("ENTRYPOINT [") for line in last)
    assert any("org.opencontainers.image.version" in line for line in last)
    assert not any("pip install" in line or "apt-get" in line for line in last)
    served = any(line.startswith("EXPOSE ") for line in last)
    assert served is (str(dockerfile) not in WITHOUT_PORT)
    assert any(line.startswith("HEALTHCHECK ") for line in last) is served


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_what_an_image_copies_is_there(dockerfile: object) -> None:
    """Sources of COPY exist, and the build's context holds them."""
    for line in lines(dockerfile):
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


def test_the_context_holds_the_sources_for_the_classic_builder_too() -> None:
    """It skips directories of which an exception with a wildcard speaks."""
    kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    assert kept
    assert not any("*" in line for line in kept)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_an_images_requirements_are_locked(dockerfile: object) -> None:
    """Every requirement has a version and hashes, and none an address."""
    room = (ROOT / str(dockerfile)).parent
    text = (room / "requirements.txt").read_text()
    assert "://" not in text
    names = re.findall(r"^\S+==\S+", text, re.MULTILINE)
    assert names
    assert all("==" in name for name in names)
    assert text.count("--hash=sha256:") >= len(names)


@pytest.mark.parametrize("script", ["spark-jobs/image/entrypoint", "spark-jobs/image/fetch-jars"])
def test_scripts_of_images_are_sound(script: str) -> None:
    """The shell can read them, and they may be run."""
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)
