"""Fetching into the cache: verified, atomic, once."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cryptostream.cli import artifacts
from cryptostream.cli.artifacts import Artifact, Bundle
from cryptostream.cli.clients import Ivy, Maven, ivy_file, pom
from cryptostream.cli.errors import CliError
from cryptostream.cli.fetch import fetch, unpack

CONTENT = b"a jar"
JAR = Artifact("org.example", "thing", "1.0", "jar", hashlib.sha256(CONTENT).hexdigest())
BUNDLE = Bundle("kafka", (JAR,), 1)


class FakeClient:
    """Writes a file instead of fetching it."""

    name = "a fake"

    def __init__(self, content: bytes = CONTENT, status: int = 0) -> None:
        self.runs = 0
        self._content = content
        self._status = status

    def command(self, _artifacts: object, scratch: Path) -> list[str]:
        """Give a command that ends with the wanted status."""
        self.runs += 1
        (scratch / "thing.jar").write_bytes(self._content)
        return ["sh", "-c", f"echo the repository is out of reach; exit {self._status}"]

    def located(self, _artifact: Artifact, scratch: Path) -> Path:
        """Tell where the file is."""
        return scratch / "thing.jar"


def quiet(_text: str) -> None:
    """Say nothing."""


def test_a_bundle_is_fetched_once(tmp_path: Path) -> None:
    """The second call finds the files in the cache, and no scratch is left."""
    client = FakeClient()
    home = fetch(BUNDLE, tmp_path, lambda: client, quiet)
    assert fetch(BUNDLE, tmp_path, lambda: client, quiet) == home
    assert client.runs == 1
    assert (home / "thing-1.0.jar").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [home.name]


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """A file with another checksum never reaches the cache."""
    with pytest.raises(CliError, match="SHA-256 differs"):
        fetch(BUNDLE, tmp_path, lambda: FakeClient(b"something else"), quiet)
    assert not (tmp_path / BUNDLE.directory).exists()


def test_a_damaged_cache_is_fetched_again(tmp_path: Path) -> None:
    """A jar that changed on disk is not used."""
    client = FakeClient()
    home = fetch(BUNDLE, tmp_path, lambda: client, quiet)
    (home / "thing-1.0.jar").write_bytes(b"damaged")
    fetch(BUNDLE, tmp_path, lambda: client, quiet)
    assert (home / "thing-1.0.jar").read_bytes() == CONTENT


def test_a_failing_client_is_told_with_its_last_words(tmp_path: Path) -> None:
    """The message has the client's output and the remedy; nothing is left."""
    with pytest.raises(CliError, match=r"out of reach.*proxy or mirror"):
        fetch(BUNDLE, tmp_path, lambda: FakeClient(status=1), quiet)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_two_at_once_fetch_once(tmp_path: Path) -> None:
    """Two fetches of a bundle at the same time: one works, the other waits for it."""
    client = FakeClient()
    both = [
        threading.Thread(target=fetch, args=(BUNDLE, tmp_path, lambda: client, quiet))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert client.runs == 1


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The message names the variable that moves the cache."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CliError, match="CRYPTOSTREAM_CACHE_DIR"):
        fetch(BUNDLE, tmp_path / "file", FakeClient, quiet)


def test_only_the_folder_is_unpacked(tmp_path: Path) -> None:
    """What lies beside the folder, and programs of another system, stay out."""
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for name in ("app/es/lib/a.jar", "app/es/bin/run.bat", "app/other.txt"):
            made.writestr(name, name)
    unpack(archive, "app/es/", tmp_path / "out")
    found = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*")]
    assert sorted(map(str, found)) == ["lib", "lib/a.jar"]


def test_a_path_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    """An archive can't write beside its target."""
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("es/../../evil", "x")
    with pytest.raises(CliError, match="holds the path"):
        unpack(archive, "es/", tmp_path / "deep" / "out")
    assert not (tmp_path / "deep" / "evil").exists()


def test_every_pinned_file_has_a_checksum() -> None:
    """The table is complete: distinct files, SHA-256 of each, matching Kafka jars."""
    bundles = (artifacts.KAFKA, artifacts.SPARK_KAFKA, artifacts.ELASTICSEARCH)
    for bundle in bundles:
        assert len({item.filename for item in bundle.artifacts}) == len(bundle.artifacts) > 0
        for item in bundle.artifacts:
            assert len(bytes.fromhex(item.sha256)) == 32
    assert {item.extension for item in artifacts.ELASTICSEARCH.artifacts} == {"zip"}


def test_the_clients_ask_for_the_files_alone(tmp_path: Path) -> None:
    """Both files name each artifact once, without what it depends on."""
    project = ET.fromstring(pom(artifacts.KAFKA.artifacts))
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    found = project.findall(".//m:dependency", space)
    assert len(found) == len(artifacts.KAFKA.artifacts)
    assert all(one.find(".//m:exclusion", space) is not None for one in found)
    module = ET.fromstring(ivy_file(artifacts.KAFKA.artifacts))
    assert {one.get("transitive") for one in module.iter("dependency")} == {"false"}
    for client in (Maven("mvn"), Ivy("java", Path("ivy.jar"))):
        assert client.command((JAR,), tmp_path)
        assert client.located(JAR, tmp_path).name == "thing-1.0.jar"
