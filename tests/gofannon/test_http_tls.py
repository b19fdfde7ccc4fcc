"""Outbound HTTP: a certificate is checked against the name that was asked for, whatever address was connected to."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gofannon.lib import http
from gofannon.lib.http.addresses import Address
from gofannon.lib.http.client import Client
from tests.http_server import HttpServer, Reply, http_server

ALLOW = http.AllowList.parse(["127.0.0.1"])


def certificate(path: Path, name: str) -> Path:
    """A file with a certificate for `name`, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return path


class Here:
    """Every name is this machine's."""

    def resolve(self, host: str) -> Sequence[Address]:
        return [ip_address("127.0.0.1")]


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return certificate(tmp_path / "shop.pem", "shop.test")


@pytest.fixture
def server(pem: Path) -> Iterator[HttpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with http_server(tls=context) as server:
        yield server


@pytest.fixture
def client(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Trusts shop.test's certificate, as the operating system's administrator may tell it to."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    client = Client(allow=ALLOW, resolver=Here(), seconds=10)
    yield client
    client.close()


def at(server: HttpServer, name: str) -> str:
    return f"https://{name}:{server.netloc.rpartition(':')[2]}"


def test_a_certificate_of_the_name_is_accepted_and_the_connection_used_again(
    server: HttpServer, client: Client
) -> None:
    for _ in range(2):
        assert client.request("POST", at(server, "shop.test"), content=b"x").status == 200
    assert (len(server.arrivals), server.connections) == (2, 1)


def test_a_certificate_of_another_name_is_refused(server: HttpServer, client: Client) -> None:
    with pytest.raises(http.TlsFailed) as failure:
        client.request("GET", at(server, "other.test"))
    assert (failure.value.code, failure.value.sent, server.arrivals) == ("tls_failed", False, [])


def test_a_certificate_that_nobody_trusts_is_refused(server: HttpServer) -> None:
    with pytest.raises(http.TlsFailed, match=r"the certificate of shop\.test is refused") as failure:
        Client(allow=ALLOW, resolver=Here()).request("GET", at(server, "shop.test"))
    assert (failure.value.sent, server.arrivals) == (False, [])


def test_a_server_without_tls_has_heard_nothing() -> None:
    with http_server() as plain, pytest.raises(http.TlsFailed) as failure:
        Client(allow=ALLOW).request("GET", f"https://{plain.netloc}/", timeout=10)
    assert (failure.value.sent, plain.arrivals) == (False, [])


def test_a_server_that_never_shakes_hands_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(http.TimedOut) as failure:
        Client(allow=ALLOW).request("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.3)
    assert failure.value.sent is False


def test_a_server_that_hangs_up_instead_of_shaking_hands_has_heard_nothing() -> None:
    def hang_up(listener: socket.socket) -> None:
        listener.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up, args=[listener])
        thread.start()
        with pytest.raises(http.TlsFailed) as failure:
            Client(allow=ALLOW).request("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout=10)
        thread.join()
    assert failure.value.sent is False


def test_before_send_comes_after_the_handshake(server: HttpServer, client: Client) -> None:
    calls: list[int] = []
    client.request("GET", at(server, "shop.test"), before_send=lambda: calls.append(len(server.arrivals)))
    with pytest.raises(http.TlsFailed):
        client.request("GET", at(server, "other.test"), before_send=lambda: calls.append(-1))
    assert calls == [0]


def test_a_redirect_from_https_to_http_is_not_followed(server: HttpServer, client: Client) -> None:
    with http_server() as plain:
        server.on("/a", Reply(302, {"Location": f"{plain.url}/b"}))
        with pytest.raises(http.AddressRefused):
            client.request("GET", f"{at(server, 'shop.test')}/a", redirects=5)
        assert plain.connections == 0
