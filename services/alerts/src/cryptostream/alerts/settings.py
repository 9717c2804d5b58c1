"""The settings of the alerts, read once from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from cryptostream.alerts.commands import CommandError, read_quiet, read_rules, read_symbols
from cryptostream.alerts.model import Subscription, Target
from cryptostream.alerts.policy import Rules
from cryptostream.alerts.text import Links
from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.messages import Severity
from cryptostream.contracts.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

#: What BotFather gives (https://core.telegram.org/bots/api#authorizing-your-bot).
_TOKEN: Final = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{10,100}")
_MAX_TOKEN_BYTES: Final = 1_000


class AlertsSettings(ServiceSettings):
    """Who hears what, by which way, how often; every field is `ALERTS_<NAME>`.

    Attributes:
        state: the folder of the outbox; one instance alone may use it.
        group: Kafka's consumer group.
        telegram_token: of the bot; or `telegram_token_file`, a file that holds it.
        telegram_chats: ids of the chats that get alerts and answers, separated by commas.
        webhook_url: gets every message as JSON, if set.
        stdout: whether messages are printed; `auto` prints if there is no other channel.
        symbols, rules, severity, quiet: what a chat hears until it says otherwise.
        zone: of the quiet hours, such as Europe/Berlin.
        max_age_minutes: an event that is older when it comes, or waits longer, is dropped.
        max_open: so many events may wait for delivery; then the sources wait.
        alertmanager_token: if set, Alertmanager has to send it as a bearer token.
    """

    model_config = SettingsConfigDict(env_prefix="ALERTS_", hide_input_in_errors=True)

    state: Path = Path("alerts-state")
    group: str = Field(default="cryptostream-alerts", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    telegram_token: SecretStr = SecretStr("")
    telegram_token_file: str = ""
    telegram_url: str = Field(default="https://api.telegram.org", pattern=r"^https?://.")
    telegram_chats: str = Field(default="", pattern=r"^[-0-9, ]*$")
    webhook_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    stdout: Literal["auto", "on", "off"] = "auto"
    symbols: str = ""
    rules: str = ""
    severity: Severity = "warning"
    quiet: str = ""
    zone: str = "UTC"
    cooldown_seconds: int = Field(default=300, ge=0, le=86_400)
    digest_after: int = Field(default=5, ge=1, le=1_000)
    digest_seconds: int = Field(default=60, ge=1, le=3_600)
    max_age_minutes: int = Field(default=360, ge=1, le=1_440)
    max_open: int = Field(default=10_000, ge=10, le=1_000_000)
    board_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    kibana_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    kibana_dashboard: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    host: str = "127.0.0.1"
    port: int = Field(default=19131, ge=0, le=65535)
    alertmanager_token: SecretStr = SecretStr("")
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=19130, ge=1, le=65535)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("symbols", "rules", "quiet")
    @classmethod
    def _can_be_read(cls, value: str, info: object) -> str:
        readers: dict[str, Callable[[str], object]] = {
            "symbols": read_symbols,
            "rules": read_rules,
            "quiet": read_quiet,
        }
        try:
            readers[getattr(info, "field_name", "")](value)
        except CommandError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such time zone; give one such as Europe/Berlin") from error
        return value

    @field_validator("telegram_chats")
    @classmethod
    def _are_ids(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if not all(re.fullmatch(r"-?[1-9]\d{0,18}", name) for name in names):
            raise ValueError("give ids such as 123456789,-1001234567890, separated by commas")
        return value

    def token(self) -> SecretStr:
        """Give the bot's token, empty without one; raises `SettingsError`, never showing it."""
        found, source = self.telegram_token.get_secret_value().strip(), "ALERTS_TELEGRAM_TOKEN"
        if not found and self.telegram_token_file:
            source = "ALERTS_TELEGRAM_TOKEN_FILE"
            found = _read(Path(self.telegram_token_file))
        if found and not _TOKEN.fullmatch(found):
            raise SettingsError(
                f"{source}: this is no token of a bot; take the line that BotFather gave, "
                "digits, a colon and letters"
            )
        if found and not self.chats:
            raise SettingsError(
                "ALERTS_TELEGRAM_CHATS: must name the chats that get alerts; write to the bot "
                "and it answers with your chat's id, so begin with ALERTS_TELEGRAM_CHATS=1"
            )
        return SecretStr(found)

    @property
    def chats(self) -> tuple[str, ...]:
        """The ids of the allowed chats, once each."""
        names = (name.strip() for name in self.telegram_chats.split(","))
        return tuple(dict.fromkeys(name for name in names if name))

    def defaults(self) -> Subscription:
        """What a chat hears until it says otherwise."""
        return Subscription(
            symbols=read_symbols(self.symbols),
            rules=read_rules(self.rules),
            severity=self.severity,
            quiet=read_quiet(self.quiet),
        )

    def policy(self) -> Rules:
        """The bounds that hold for every chat."""
        return Rules(
            cooldown_ms=self.cooldown_seconds * 1000,
            digest_after=self.digest_after,
            digest_window_ms=self.digest_seconds * 1000,
            max_age_ms=self.max_age_minutes * 60_000,
            zone=ZoneInfo(self.zone),
        )

    def links(self) -> Links:
        """Where the links of a message lead."""
        return Links(self.board_url, self.kibana_url, self.kibana_dashboard)

    def targets(self, *, telegram: bool) -> tuple[Target, ...]:
        """All chats of all channels."""
        found = [Target("telegram", chat) for chat in self.chats] if telegram else []
        if self.webhook_url:
            found.append(Target("webhook", "default"))
        if self.stdout == "on" or (self.stdout == "auto" and not found):
            found.append(Target("stdout", "default"))
        return tuple(found)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_MAX_TOKEN_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"ALERTS_TELEGRAM_TOKEN_FILE: {path} can't be read ({type(error).__name__})"
        ) from None
