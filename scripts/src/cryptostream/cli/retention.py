"""Deleting what is older than it is to be kept: `python -m cryptostream.cli.retention`.

An index holds one kind of document of one UTC day and bears both in its name, so whole indices are
deleted and no document is ever looked at. It works on every Elasticsearch, with or without ILM,
and a run that was missed is made good by the next one.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

from elasticsearch import ApiError, TransportError
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.cli.errors import USAGE_STATUS, CliError
from cryptostream.cli.setup import client
from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.indices import PREFIX
from cryptostream.contracts.mappings import PROPERTIES
from cryptostream.contracts.settings import ElasticsearchSettings, ServiceSettings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Names of so many indices fit well into one request's line.
BATCH: Final = 50
Days = Annotated[int, Field(ge=1, le=36_500)]
_NAME: Final = re.compile(
    rf"{PREFIX}-(?P<kind>{'|'.join(PROPERTIES)})-(?P<day>[0-9]{{4}}\.[0-9]{{2}}\.[0-9]{{2}})"
)


class RetentionSettings(ServiceSettings):
    """How long documents are kept; every field is `RETENTION_<NAME>`.

    Attributes:
        default_days: for kinds that are not in `days`.
        days: kind -> days, a JSON object such as `{"trades": 7}`.
    """

    model_config = SettingsConfigDict(env_prefix="RETENTION_")

    default_days: Days = 30
    days: dict[str, Days] = Field(default_factory=dict)

    def of(self, kind: str) -> int:
        """Give the days that a kind is kept."""
        return self.days.get(kind, self.default_days)


def expired(names: Iterable[str], settings: RetentionSettings, today: date) -> list[str]:
    """Choose the indices whose day ended more than the kind's days ago; other names are left be."""
    return sorted(name for name in names if _is_expired(name, settings, today))


def _is_expired(name: str, settings: RetentionSettings, today: date) -> bool:
    found = _NAME.fullmatch(name)
    if found is None:
        return False
    try:
        day = datetime.strptime(found["day"], "%Y.%m.%d").replace(tzinfo=UTC).date()
    except ValueError:
        return False
    return today - day > timedelta(days=settings.of(found["kind"]))


def check_kinds(days: Mapping[str, int]) -> None:
    """Raise `CliError` for a kind that nothing is stored as, a misspelt one most likely."""
    unknown = sorted(set(days) - set(PROPERTIES))
    if unknown:
        raise CliError(
            f"RETENTION_DAYS: there is no kind {', '.join(unknown)}",
            f"The kinds are {', '.join(PROPERTIES)}.",
        )


def delete_expired(
    elasticsearch: ElasticsearchSettings, settings: RetentionSettings, today: date
) -> list[str]:
    """Delete the expired indices and give their names; raises `CliError`."""
    check_kinds(settings.days)
    try:
        with client(elasticsearch) as connected:
            names = connected.indices.get(index=f"{PREFIX}-*", features="settings")
            doomed = expired(names, settings, today)
            for start in range(0, len(doomed), BATCH):
                batch = doomed[start : start + BATCH]
                connected.indices.delete(index=",".join(batch), ignore_unavailable=True)
    except (ApiError, TransportError) as error:
        raise CliError(
            f"Elasticsearch at {elasticsearch.url} did not delete: {error}", "A later run will."
        ) from error
    return doomed


def main() -> int:
    """Delete and tell what as one line of JSON; give the exit status."""
    try:
        settings = load_settings(RetentionSettings)
        today = datetime.now(UTC).date()
        deleted = delete_expired(load_settings(ElasticsearchSettings), settings, today)
    except CryptostreamError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is its output
        return USAGE_STATUS
    print(json.dumps({"deleted": deleted}))  # noqa: T201 - this is its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
