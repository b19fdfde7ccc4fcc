"""Outbound HTTP: which addresses are reached, and by which names."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from gofannon.env import BASE_DIR
from gofannon.lib import http
from gofannon.lib.http import network
from gofannon.lib.http.addresses import Address, is_public
from gofannon.lib.http.client import Client
from tests.http_server import HttpServer, Reply, http_server


class Hosts:
    """A resolver with a table; `asked` counts its lookups."""

    def __init__(self, **table: list[str]) -> None:
        self.table = {name.replace("_", "."): addresses for name, addresses in table.items()}
        self.asked = 0

    def resolve(self, host: str) -> Sequence[Address]:
        self.asked += 1
        if host not in self.table:
            raise OSError("no such name")
        return [ip_address(address) for address in self.table[host]]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """Not let through."""
    with http_server() as server:
        yield server


def refusal(url: str, **options: int) -> http.HttpError:
    with pytest.raises(http.HttpError) as refused:
        http.request("GET", url, **options)  # type: ignore[arg-type]
    return refused.value


HOSTS_OF_THIS_MACHINE = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "127.1",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "127。0。0。1",
]


@pytest.mark.parametrize("host", HOSTS_OF_THIS_MACHINE)
def test_this_machine_is_refused_however_it_is_spelt(server: HttpServer, host: str) -> None:
    port = server.netloc.rpartition(":")[2]
    failure = refusal(f"http://{host}:{port}/")
    assert (failure.code, failure.sent, server.connections) == ("address_refused", False, 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://192.0.0.192/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://172.31.255.255/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25lo]/",
        "http://[ff02::1]/",
        "http://[::10.0.0.1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2001:0:1::1]/",
        "http://[fec0::1]/",
    ],
)
def test_private_networks_are_refused(url: str) -> None:
    failure = refusal(url, timeout=5)
    assert (failure.code, failure.sent) == ("address_refused", False)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses())
def test_no_address_is_public_that_python_knows_to_be_special(address: Address) -> None:
    mapped = address.version == 6 and address.ipv4_mapped
    if not address.is_global and not mapped:
        assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http+unix://%2Frun%2Fdocker.sock/",
        "gopher://127.0.0.1:6379/_INFO",
        "http://",
        "http:///path",
        "http://user:password@example.com/",
        "http://user@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:port/",
        "http://[::1/",
        "http://exam\nple.com/",
        "http://0177.0.0.1/",
    ],
)
def test_what_is_no_url_of_the_web_is_refused(url: str) -> None:
    failure = refusal(url)
    assert (failure.code, failure.sent) == ("invalid_url", False)


@pytest.mark.parametrize("url", ["http://nosuch.invalid/", "http://a..b/", f"http://{'a' * 70}.com/"])
def test_a_name_without_address_is_said_to_be_so(url: str) -> None:
    failure = refusal(url)
    assert (failure.code, failure.sent) == ("no_such_host", False)


def test_a_name_that_leads_inside_is_refused_even_if_it_leads_outside_too(server: HttpServer) -> None:
    port = server.netloc.rpartition(":")[2]
    client = Client(resolver=Hosts(in_test=["127.0.0.1"], both_test=["93.184.216.34", "127.0.0.1"]))
    for name in ("in.test", "both.test"):
        with pytest.raises(http.AddressRefused):
            client.request("GET", f"http://{name}:{port}/")
    assert server.connections == 0


class Rebinding:
    """Another answer at every question."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def resolve(self, host: str) -> Sequence[Address]:
        return [ip_address(self.answers.pop(0))]


def test_the_address_that_was_checked_is_the_one_connected_to(server: HttpServer) -> None:
    resolver = Rebinding("127.0.0.1", "10.0.0.1")
    client = Client(allow=http.AllowList.parse([server.netloc]), resolver=resolver)
    port = server.netloc.rpartition(":")[2]
    assert client.request("GET", f"http://turns.test:{port}/").status == 200
    assert resolver.answers == ["10.0.0.1"]
    client.close()


def test_the_next_address_is_tried_where_one_is_dead(server: HttpServer) -> None:
    port = server.netloc.rpartition(":")[2]
    client = Client(allow=http.AllowList.parse(["two.test"]), resolver=Hosts(two_test=["127.0.0.2", "127.0.0.1"]))
    assert client.request("GET", f"http://two.test:{port}/").status == 200
    client.close()


def test_a_name_in_the_list_is_let_through_wherever_it_leads(server: HttpServer) -> None:
    port = server.netloc.rpartition(":")[2]
    hosts = Hosts(ollama_test=["127.0.0.1"], other_test=["127.0.0.1"])
    client = Client(allow=http.AllowList.parse([f"ollama.test:{port}"]), resolver=hosts)
    assert client.request("GET", f"http://OLLAMA.test:{port}/").status == 200
    with pytest.raises(http.AddressRefused):
        client.request("GET", f"http://other.test:{port}/")
    with pytest.raises(http.AddressRefused):
        client.request("GET", "http://ollama.test:1/")
    client.close()


def test_a_redirect_into_the_private_net_is_refused(server: HttpServer, settings: Settings) -> None:
    settings.OUTBOUND_ALLOW = [server.netloc]
    with http_server() as inside:
        server.on("/out", Reply(302, {"Location": f"{inside.url}/secret"}))
        failure = refusal(f"{server.url}/out", redirects=5)
        assert (failure.code, failure.sent, inside.connections) == ("address_refused", True, 0)


def test_proxies_of_the_environment_are_not_used(
    server: HttpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTBOUND_ALLOW = [server.netloc]
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert http.request("GET", server.url).status == 200


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "let"),
    [
        ("127.0.0.1:11434", "any", 11434, "127.0.0.1", True),
        ("127.0.0.1:11434", "any", 11435, "127.0.0.1", False),
        ("127.0.0.1:11434", "any", 11434, "::ffff:127.0.0.1", True),
        ("127.0.0.1", "any", 1, "127.0.0.2", False),
        ("10.1.0.0/16", "any", 80, "10.1.255.255", True),
        ("10.1.0.0/16", "any", 80, "10.2.0.0", False),
        ("10.1.0.0/16:443", "any", 80, "10.1.0.1", False),
        ("::1", "any", 80, "::1", True),
        ("[::1]:8080", "any", 8080, "::1", True),
        ("[::1]:8080", "any", 80, "::1", False),
        ("fd00::/8", "any", 80, "fd12::1", True),
        ("[fd00::/8]:443", "any", 443, "fd12::1", True),
        ("Ollama", "ollama", 80, "10.0.0.1", True),
        ("ollama", "ollama.", 80, "10.0.0.1", True),
        ("ollama", "ollama.example", 80, "10.0.0.1", False),
    ],
)
def test_an_entry_lets_through_what_it_names(entry: str, host: str, port: int, address: str, let: bool) -> None:
    assert http.AllowList.parse([entry]).lets(host, port, ip_address(address)) is let


@pytest.mark.parametrize(
    "entry", ["127.0.0.1:0", "127.0.0.1:x", "10.1.0.5/16", "10.1.0.0/33", "10.1", "*.example", "a b", "[::1]8080", "h:"]
)
def test_an_entry_that_makes_no_sense_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="OUTBOUND_ALLOW: "):
        http.AllowList.parse([entry])


def test_a_list_that_makes_no_sense_stops_the_start(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "GOFANNON_VAR": str(tmp_path), "OUTBOUND_ALLOW": "ollama:11434,10.1.0.5/16"}
    done = subprocess.run([sys.executable, "manage.py", "check"], env=env, cwd=BASE_DIR, capture_output=True, text=True)
    assert done.returncode != 0
    assert "OUTBOUND_ALLOW: '10.1.0.5/16'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("source", "home"), [("127.0.0.1", True), ("127.0.0.2", False)])
def test_a_connection_to_this_machine_is_told_by_its_ends(source: str, home: bool) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), source_address=(source, 0)) as client,
    ):
        assert network.leads_home(client) is home
