"""What is fetched besides Python packages: exact files, each pinned by its SHA-256.

The table is `artifacts.txt`; a bundle is a directory in the cache that holds its files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final, Literal

BundleName = Literal["kafka", "spark-kafka", "elasticsearch"]
#: The folder inside the archive that is Elasticsearch, and how much there is to fetch for it.
ELASTICSEARCH_FOLDER: Final = "sonarqube-26.9.0.129388/elasticsearch/"
_MEGABYTES: Final[dict[str, int]] = {"kafka": 44, "spark-kafka": 10, "elasticsearch": 947}


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file in a Maven repository, without what it depends on."""

    group: str
    name: str
    version: str
    extension: str
    sha256: str

    @property
    def filename(self) -> str:
        """Name the file as the repository does."""
        return f"{self.name}-{self.version}.{self.extension}"

    @property
    def repository_path(self) -> str:
        """Give the place of the file below a repository's root."""
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.filename}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that are fetched and kept together; `megabytes` is the size of the download."""

    name: BundleName
    artifacts: tuple[Artifact, ...]
    megabytes: int

    @property
    def directory(self) -> str:
        """Name the bundle's directory: another set of files never shares it."""
        digest = hashlib.sha256("".join(item.sha256 for item in self.artifacts).encode())
        return f"{self.name}-{digest.hexdigest()[:12]}"


def parse(table: str, name: BundleName) -> Bundle:
    """Read a bundle's lines `bundle group:artifact:version[:extension] sha256` off the table."""
    rows = [line.split() for line in table.splitlines() if line and not line.startswith("#")]
    files = tuple(_artifact(place, digest) for bundle, place, digest in rows if bundle == name)
    return Bundle(name, files, _MEGABYTES[name])


def _artifact(place: str, digest: str) -> Artifact:
    group, name, version, *extension = place.split(":")
    return Artifact(group, name, version, extension[0] if extension else "jar", digest)


_TABLE: Final = (resources.files(__package__) / "artifacts.txt").read_text()
KAFKA: Final = parse(_TABLE, "kafka")
SPARK_KAFKA: Final = parse(_TABLE, "spark-kafka")
ELASTICSEARCH: Final = parse(_TABLE, "elasticsearch")
