"""`python tests/fuzz/atheris_decoder.py [libFuzzer options]`: fuzz the decoder by coverage.

Runs until something undocumented is raised; `-runs=100000` ends it sooner, and the file that a
crash left behind shows it again. The recorded frames
are the seeds. Each input is tried as bytes and, its head choosing trade and field, as a value
inside a recorded frame.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["cryptostream"]):
    from support.hostile import (
        FIELDS,
        check_decoders,
        check_neighbours_survive,
        encode,
        recorded_frames,
    )

RECORDED = recorded_frames()


def look(data: bytes) -> None:
    """Try one input."""
    check_decoders(data)
    provider = atheris.FuzzedDataProvider(data)
    frame = provider.PickValueInList(RECORDED)
    place = provider.ConsumeIntInRange(0, len(frame["data"]) - 1)
    field = provider.PickValueInList(list(FIELDS))
    check_neighbours_survive(frame, place, field, provider.ConsumeBytes(200))


def main() -> None:
    """Fuzz, beginning with the recorded frames."""
    with tempfile.TemporaryDirectory(prefix="fuzz-decoder-") as folder:
        for number, frame in enumerate(RECORDED):
            (Path(folder) / str(number)).write_bytes(encode(frame))
        given = any(not argument.startswith("-") for argument in sys.argv[1:])
        seeds = [] if given else [folder]
        atheris.Setup([*sys.argv, *seeds, "-max_len=65536"], look)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
