"""The local Elasticsearch on a machine whose disk is nearly full."""

from __future__ import annotations

import httpx

from cryptostream.cli.elasticsearch import MERGE_FREE_MB

MERGES = "indices.merge.disk.watermark.high"


def test_segments_are_merged_down_to_little_free_disk(elasticsearch_url: str) -> None:
    """The node has taken our bound; its default stops merging on a disk that is 95 % full."""
    asked = httpx.get(
        f"{elasticsearch_url}/_nodes/settings", params={"flat_settings": "true"}, timeout=30
    ).json()
    (node,) = asked["nodes"].values()
    assert node["settings"][MERGES] == f"{MERGE_FREE_MB}mb"
