"""The same connections, over TLS: HTTP/1.1, HTTP/2 by ALPN, and their ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.types import ASGIApp

from runner.serving.limits import Limits
from tests.runner.served import GET, SHORT, Client, Seen, Served, endless, hello, served
from tests.runner.test_http2 import H2Client

pytestmark = pytest.mark.anyio
PATIENT = Limits(sweep=0.02)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate of 127.0.0.1 and its key."""
    folder, key, now = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


@asynccontextmanager
async def talking(
    app: ASGIApp, files: tuple[str, str], protocol: str = "http/1.1", limits: Limits = PATIENT, **options: Any
) -> AsyncIterator[tuple[Served, Client]]:
    """`app` over TLS, and a client of it."""
    context = ssl.create_default_context(cafile=files[0])
    context.set_alpn_protocols([protocol])
    async with (
        served(app, limits, certfile=files[0], keyfile=files[1], **options) as server,
        await server.client(ssl=context) as client,
    ):
        yield server, client


async def test_http_1_over_tls(files: tuple[str, str]) -> None:
    async with talking(hello, files) as (_, client):
        client.send(GET + GET)
        assert [await client.answer(), await client.answer()] == [(200, b"0")] * 2


async def test_http_2_is_agreed_upon(files: tuple[str, str]) -> None:
    async with talking(hello, files, "h2") as (_, raw):
        client = H2Client(raw)
        client.begin()
        client.ask(1)
        assert await client.status(1) == "200"


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET])
async def test_a_client_that_is_late_is_closed(files: tuple[str, str], sent: bytes) -> None:
    async with talking(hello, files, limits=SHORT) as (_, client):
        client.send(sent)
        await client.until_closed()


async def test_an_endless_answer_ends_with_its_client(files: tuple[str, str]) -> None:
    seen = Seen()
    async with talking(endless(seen), files) as (_, client):
        client.send(GET)
        await client.reader.read(100)
        client.writer.transport.abort()
        await seen.leaving()


async def test_what_is_no_tls_is_closed_without_a_traceback(
    files: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        talking(hello, files) as (server, _),
        Client(*await asyncio.open_connection("127.0.0.1", server.port)) as client,
    ):
        client.send(GET)
        await client.until_closed()
    assert "Traceback" not in caplog.text


async def test_a_stop_does_not_wait_for_idle_connections(files: tuple[str, str]) -> None:
    async with talking(hello, files, grace=600) as (server, client):
        client.send(GET)
        assert await client.answer() == (200, b"0")
        server.stop.set()
        await client.until_closed()
