"""Finding a JDK that Elasticsearch accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryptostream.cli.errors import CliError
from cryptostream.cli.jdk import find_jdk, major_version

if TYPE_CHECKING:
    from pathlib import Path

FULL = "java.base@1 jdk.jlink@1 jdk.jdi@1"


def fake_jdk(home: Path, version: str, modules: str = FULL) -> Path:
    """Make a directory that looks like a JDK; its java lists the given modules."""
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text(f"#!/bin/sh\nprintf '%s\\n' {modules}\n")
    java.chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


def test_java_home_comes_first(tmp_path: Path) -> None:
    """JAVA_HOME is taken if it will do, even beside a newer one."""
    wanted = fake_jdk(tmp_path / "a", "21.0.2")
    fake_jdk(tmp_path / "jvm" / "b", "25")
    found = find_jdk({"JAVA_HOME": str(wanted)}, [f"{tmp_path}/jvm/*"])
    assert (found.home, found.version) == (wanted, 21)


def test_an_old_default_is_passed_over(tmp_path: Path) -> None:
    """An old java on PATH and in JAVA_HOME doesn't hide a newer JDK in a usual place."""
    old = fake_jdk(tmp_path / "old", "17.0.15")
    new = fake_jdk(tmp_path / "jvm" / "new", "25.0.3")
    fake_jdk(tmp_path / "jvm" / "middle", "21")
    env = {"JAVA_HOME": str(old), "PATH": str(old / "bin")}
    assert find_jdk(env, [f"{tmp_path}/jvm/*"]).home == new


def test_a_runtime_without_the_needed_modules_is_passed_over(tmp_path: Path) -> None:
    """A JRE of the right version is no JDK, and the message says what it lacks."""
    fake_jdk(tmp_path / "jvm" / "jre", "25", "java.base@25")
    with pytest.raises(CliError, match=r"lacks jdk\.jdi, jdk\.jlink"):
        find_jdk({}, [f"{tmp_path}/jvm/*"])


def test_without_any_the_remedy_is_named(tmp_path: Path) -> None:
    """The message names what was found instead, and what to do."""
    fake_jdk(tmp_path / "jvm" / "old", "1.8.0_402")
    with pytest.raises(CliError, match=r"is version 8.*Install a full JDK 21") as caught:
        find_jdk({}, [f"{tmp_path}/jvm/*"])
    assert "\n" not in str(caught.value)


def test_a_directory_that_is_no_jdk_has_no_version(tmp_path: Path) -> None:
    """Neither an empty directory nor a broken release file is a JDK."""
    assert major_version(tmp_path) is None
    assert major_version(fake_jdk(tmp_path / "x", "seventeen")) is None
