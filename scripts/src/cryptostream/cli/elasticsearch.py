"""One Elasticsearch node on loopback: its configuration and its command.

It is started by its own server launcher, which is what `bin/elasticsearch` does; the archive it
comes from has no such script for Unix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.cli.component import Account, Component, Probe

if TYPE_CHECKING:
    from pathlib import Path

    from cryptostream.cli.jdk import Jdk

HEAP_MB: Final = 512
MEMORY_MB: Final = 1000
#: Below so much free disk segments are not merged any more; a demo's are smaller.
MERGE_FREE_MB: Final = 512
_LOG4J: Final = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] [%node_name]%marker %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.node.name = org.elasticsearch.node
logger.node.level = info
"""
#: What the distribution's own file says, less its logs of garbage collection and its heap dumps;
#: the serial collector suits half a gigabyte on two cores. The first compiler alone halves the CPU
#: time of a start (14 s instead of 26 s) and still indexes far more than a demo sends.
_JVM_OPTIONS: Final = f"""\
-Xms{HEAP_MB}m
-Xmx{HEAP_MB}m
-XX:+UseSerialGC
-XX:Tier4InvocationThreshold=20000
-XX:Tier4MinInvocationThreshold=3000
-XX:Tier4CompileThreshold=60000
-XX:Tier4BackEdgeThreshold=160000
-XX:+ExitOnOutOfMemoryError
-XX:-UsePerfData
-Djava.io.tmpdir=${{ES_TMPDIR}}
--add-modules=jdk.incubator.vector
-Dorg.apache.lucene.store.defaultReadAdvice=normal
-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1
"""


def elasticsearch_yml(port: int, transport_port: int, home: Path) -> str:
    """Render the node's configuration.

    Security is off because nothing but this machine reaches it. The disk watermarks are off
    because they look at the whole machine's disk, which others may have filled to 90 %. That of
    merges can't be turned off: on a disk that is 95 % full none is done by default, and after half
    an hour each write looked through 2,000 segments.
    """
    return f"""\
cluster.name: cryptostream
node.name: cryptostream
path.data: "{home / "data"}"
path.logs: "{home / "logs"}"
http.host: 127.0.0.1
http.port: {port}
transport.host: 127.0.0.1
transport.port: {transport_port}
discovery.type: single-node
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
indices.merge.disk.watermark.high: {MERGE_FREE_MB}mb
node.store.allow_mmap: false
"""


def elasticsearch(
    jdk: Jdk,
    software: Path,
    home: Path,
    *,
    port: int,
    transport_port: int,
    account: Account | None,
) -> Component:
    """Describe the node; `software` is the distribution, `home` gets configuration and data."""
    config = home / "config"
    temporary = home / "tmp"
    return Component(
        name="elasticsearch",
        argv=(
            jdk.java, "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            "-cp", f"{software}/lib/tools/server-launcher/*",
            "org.elasticsearch.server.launcher.ServerLauncher",
        ),
        env={
            "JAVA": jdk.java,
            "JAVA_TYPE": "ES_JAVA_HOME",
            "ES_JAVA_HOME": str(jdk.home),
            "ES_HOME": str(software),
            "ES_PATH_CONF": str(config),
            "ES_DISTRIBUTION_TYPE": "zip",
            "ES_TMPDIR": str(temporary),
            "HOSTNAME": "localhost",
        },
        probe=Probe("http", f"http://127.0.0.1:{port}/_cluster/health"),
        port=port,
        cwd=software,
        directories=(home, config, temporary, home / "data", home / "logs"),
        files={
            config / "elasticsearch.yml": elasticsearch_yml(port, transport_port, home),
            config / "jvm.options": _JVM_OPTIONS,
            config / "log4j2.properties": _LOG4J,
        },
        account=account,
        memory_mb=MEMORY_MB,
        start_seconds=180.0,
    )  # fmt: skip
