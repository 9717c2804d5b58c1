"""The two ordinary clients of Maven repositories: `mvn`, and the Ivy that pyspark ships.

Both are asked for exact files without their dependencies, and find the repository themselves.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from xml.sax.saxutils import quoteattr

from cryptostream.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.cli.artifacts import Artifact
    from cryptostream.cli.jdk import Jdk

_PLUGIN: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


class Client(Protocol):
    """Fetches artifacts into a scratch directory."""

    name: str

    def command(self, artifacts: Sequence[Artifact], scratch: Path) -> list[str]:
        """Write what the client reads into `scratch` and give the command to run there."""

    def located(self, artifact: Artifact, scratch: Path) -> Path:
        """Tell where the command puts an artifact."""


class Maven:
    """Apache Maven with a local repository of its own, so that nothing is left elsewhere."""

    name = "Maven"

    def __init__(self, program: str) -> None:
        self._program = program

    def command(self, artifacts: Sequence[Artifact], scratch: Path) -> list[str]:
        """Write a `pom.xml` that names the artifacts alone."""
        (scratch / "pom.xml").write_text(pom(artifacts))
        return [
            self._program, "-q", "-B", "-ntp", "-f", str(scratch / "pom.xml"),
            f"-Dmaven.repo.local={scratch / 'repository'}", f"{_PLUGIN}:resolve",
        ]  # fmt: skip

    def located(self, artifact: Artifact, scratch: Path) -> Path:
        """Tell the artifact's place in the local repository."""
        return scratch / "repository" / artifact.repository_path


class Ivy:
    """Apache Ivy, for machines with Java alone."""

    name = "Ivy"

    def __init__(self, java: str, jar: Path) -> None:
        self._java = java
        self._jar = jar

    def command(self, artifacts: Sequence[Artifact], scratch: Path) -> list[str]:
        """Write an `ivy.xml` that names the artifacts alone."""
        (scratch / "ivy.xml").write_text(ivy_file(artifacts))
        return [
            self._java, f"-Divy.default.ivy.user.dir={scratch / 'home'}",
            "-cp", str(self._jar), "org.apache.ivy.Main", "-warn",
            "-ivy", str(scratch / "ivy.xml"), "-cache", str(scratch / "cache"),
        ]  # fmt: skip

    def located(self, artifact: Artifact, scratch: Path) -> Path:
        """Tell the artifact's place in Ivy's cache."""
        module = scratch / "cache" / artifact.group / artifact.name
        return module / f"{artifact.extension}s" / artifact.filename


def pom(artifacts: Sequence[Artifact]) -> str:
    """Render a Maven project that depends on the artifacts and on nothing they depend on."""
    none = "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"
    dependencies = "\n".join(
        f"<dependency><groupId>{item.group}</groupId><artifactId>{item.name}</artifactId>"
        f"<version>{item.version}</version><type>{item.extension}</type>"
        f"<exclusions>{none}</exclusions></dependency>"
        for item in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>\n'
        "<groupId>cryptostream</groupId><artifactId>fetch</artifactId><version>1</version>\n"
        f"<dependencies>\n{dependencies}\n</dependencies></project>\n"
    )


def ivy_file(artifacts: Sequence[Artifact]) -> str:
    """Render an Ivy module that depends on the artifacts and on nothing they depend on."""
    dependencies = "\n".join(
        f"<dependency org={quoteattr(item.group)} name={quoteattr(item.name)}"
        f' rev={quoteattr(item.version)} transitive="false"><artifact name={quoteattr(item.name)}'
        f" type={quoteattr(item.extension)} ext={quoteattr(item.extension)}/></dependency>"
        for item in artifacts
    )
    return (
        '<ivy-module version="2.0"><info organisation="cryptostream" module="fetch"/>\n'
        f"<dependencies>\n{dependencies}\n</dependencies></ivy-module>\n"
    )


def choose_client(jdk: Jdk) -> Client:
    """Take `mvn` if it is on PATH, else Ivy out of pyspark; raises `CliError` without either."""
    if program := shutil.which("mvn"):
        return Maven(program)
    return ivy_of_pyspark(jdk)


def ivy_of_pyspark(jdk: Jdk) -> Ivy:
    """Find the Ivy jar that the installed pyspark ships; raises `CliError` without it."""
    spec = importlib.util.find_spec("pyspark")
    places = spec.submodule_search_locations if spec else None
    for place in places or []:
        for jar in sorted((Path(place) / "jars").glob("ivy-*.jar")):
            return Ivy(jdk.java, jar)
    raise CliError("Neither Maven nor pyspark's Ivy is installed", "Run `make setup`.")
