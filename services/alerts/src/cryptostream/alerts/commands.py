"""What people write to the bot, read into commands. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, cast, get_args

from cryptostream.alerts.model import RANKS, Mute, Subscription
from cryptostream.alerts.policy import parse_quiet
from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.messages import Interval, Severity

MAX_TEXT: Final = 500
MAX_NAMES: Final = 100
MAX_MUTE_MS: Final = 30 * 86_400_000
DEFAULT_MUTE_MS: Final = 3_600_000
DEFAULT_INTERVAL: Final[Interval] = "15m"
_COMMAND: Final = re.compile(r"/([a-z]{1,32})(?:@(\w{1,64}))?(?:\s+(.*))?", re.DOTALL)
_SYMBOL: Final = re.compile(r"[A-Z0-9]{2,30}")
_RULE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_DURATION: Final = re.compile(r"([1-9]\d{0,4})(m|h|d)")
_UNIT_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}

#: Shown by /help and in Telegram's menu.
COMMANDS: Final = {
    "status": "how the pipeline is: lag, gaps, model",
    "top": "what moved most in the last hour",
    "price": "SYMBOL: the last price and prediction",
    "chart": "SYMBOL [1s|1m|5m|15m|1h]: a picture",
    "alerts": "the newest alerts",
    "mute": "[30m|2h|1d] [SYMBOL] [rule]: silence for a while",
    "unmute": "end all silence",
    "subscribe": "[symbols=A,B] [rules=a,b] [severity=info|warning|critical] [quiet=22:00-07:00]",
    "help": "this list",
}


class CommandError(CryptostreamError):
    """A command can't be understood; the text tells the writer how it is meant."""

    failure = Failure.POISON


class Command(NamedTuple):
    """A command with what was written behind it."""

    name: str
    words: tuple[str, ...] = ()


def parse_command(text: str, bot: str) -> Command | None:
    """Read a message; None if it is no command, or one for another bot."""
    found = _COMMAND.fullmatch(text.strip()[:MAX_TEXT])
    if found is None or (found[2] and found[2].lower() != bot.lower()):
        return None
    name = "help" if found[1] == "start" else found[1]
    return Command(name, tuple((found[3] or "").split()))


def symbol_of(words: tuple[str, ...]) -> str:
    """Read a symbol, the first word; raises `CommandError`."""
    symbol = words[0].upper() if words else ""
    if not _SYMBOL.fullmatch(symbol):
        raise CommandError("Name a symbol, such as BTCUSDT.")
    return symbol


def interval_of(words: tuple[str, ...]) -> Interval:
    """Read a candle's interval, the second word; raises `CommandError`."""
    if len(words) < 2:  # noqa: PLR2004 (the second word)
        return DEFAULT_INTERVAL
    if words[1] not in get_args(Interval):
        raise CommandError(f"An interval is one of {', '.join(get_args(Interval))}.")
    return cast("Interval", words[1])


def mute_of(words: tuple[str, ...], now_ms: int) -> Mute:
    """Read how long and what is to be silent; raises `CommandError`."""
    length, symbol, rule = DEFAULT_MUTE_MS, "", ""
    for word in words:
        if found := _DURATION.fullmatch(word):
            length = int(found[1]) * _UNIT_MS[found[2]]
        elif _SYMBOL.fullmatch(word):
            symbol = word
        elif _RULE.fullmatch(word):
            rule = word
        else:
            raise CommandError(
                "Write it as /mute 2h BTCUSDT price_jump; each part may be left out."
            )
    if length > MAX_MUTE_MS:
        raise CommandError("At most 30 days.")
    return Mute(now_ms + length, rule, symbol)


def subscription_of(words: tuple[str, ...], before: Subscription) -> Subscription:
    """Read changes of a subscription, `name=value` each; raises `CommandError`."""
    changes: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in _READERS:
            raise CommandError(
                f"Write it as /subscribe {COMMANDS['subscribe']}; `all` for no limit."
            )
        changes[name] = _READERS[name](value)
    fields = {name: getattr(before, name) for name in before.__struct_fields__}
    return Subscription(**{**fields, **changes})


def read_symbols(value: str) -> tuple[str, ...]:
    """Read symbols separated by commas; none for `all`. Raises `CommandError`."""
    return _names(value.upper() if value != "all" else "", _SYMBOL, "symbol")


def read_rules(value: str) -> tuple[str, ...]:
    """Read rules separated by commas; none for `all`. Raises `CommandError`."""
    return _names(value if value != "all" else "", _RULE, "rule")


def read_severity(value: str) -> Severity:
    """Read a severity; raises `CommandError`."""
    if value not in RANKS:
        raise CommandError(f"A severity is one of {', '.join(RANKS)}.")
    return cast("Severity", value)


def read_quiet(value: str) -> str:
    """Read quiet hours; none for `off`. Raises `CommandError`."""
    hours = "" if value in {"off", "all"} else value
    try:
        parse_quiet(hours)
    except ValueError as error:
        raise CommandError(f"Can't be used: {error}, or off.") from error
    return hours


_READERS: Final = {
    "symbols": read_symbols,
    "rules": read_rules,
    "severity": read_severity,
    "quiet": read_quiet,
}


def _names(value: str, form: re.Pattern[str], what: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in value.split(",") if name))
    wrong = [name for name in names if not form.fullmatch(name)]
    if wrong or len(names) > MAX_NAMES:
        shown = wrong[0][:40] if wrong else f"more than {MAX_NAMES}"
        raise CommandError(f"{shown!r} can't be a {what}.")
    return names
