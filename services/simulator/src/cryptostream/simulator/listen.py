"""Ports: the plain one, and beside it one with TLS and a certificate of its own."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from cryptostream.contracts.errors import SettingsError

if TYPE_CHECKING:
    from cryptostream.simulator.settings import SimulatorSettings

SHUTDOWN_SECONDS: Final = 2.0
OPENSSL_SECONDS: Final = 30
_NAMES: Final = "subjectAltName=DNS:localhost,IP:127.0.0.1"


async def listen(
    app: web.Application, settings: SimulatorSettings, tls: ssl.SSLContext | None
) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: a port is in use.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await _open(runner, settings.host, settings.port, "SIMULATOR_PORT", None)
        if tls is not None:
            await _open(runner, settings.host, settings.tls_port, "SIMULATOR_TLS_PORT", tls)
        await _until_told()
    finally:
        await runner.cleanup()


async def _open(
    runner: web.AppRunner, host: str, port: int, name: str, tls: ssl.SSLContext | None
) -> None:
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        raise SettingsError(
            f"Can't listen on {host}:{port}: {error.strerror}; set {name} to a free port"
        ) from error


async def _until_told() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def make_tls(name: str) -> ssl.SSLContext:
    """Make a self-signed certificate for this machine, `tls.pem` in a folder, and use it.

    Raises:
        SettingsError: there is no name, the folder can't be written, or there is no command
            `openssl` that works.
    """
    if not name:
        raise SettingsError("SIMULATOR_TLS_PORT needs a folder: set SIMULATOR_TLS_DIR")
    folder = Path(name)
    certificate, key = folder / "tls.pem", folder / "tls.key"
    openssl = shutil.which("openssl")
    if openssl is None:
        raise SettingsError("SIMULATOR_TLS_PORT needs the command openssl; install it, or set 0")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    command += ["-subj", "/CN=localhost", "-addext", _NAMES]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, check=True, capture_output=True, timeout=OPENSSL_SECONDS)  # noqa: S603 - our words
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise SettingsError(f"SIMULATOR_TLS_DIR {folder}: openssl: {reason}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise SettingsError(f"SIMULATOR_TLS_DIR {folder} can't be used: {error}") from error
    return context
