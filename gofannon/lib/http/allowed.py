"""What an operator lets through although it is not public."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from gofannon.lib.http.addresses import Address, innermost

_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*(?=[a-z0-9_-]*[a-z])[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A name or a network, at one port or at every one (None)."""

    target: str | IPv4Network | IPv6Network
    port: int | None

    @classmethod
    def parse(cls, word: str) -> "Rule":
        """`host`, `host:port`, `10.1.0.0/16:8080`, `fd00::/8`, `[::1]:8080`. Raises ValueError with one sentence."""
        target, port = _split(word)
        number = None
        if port is not None:
            number = int(port) if port.isascii() and port.isdigit() else 0
            if not 1 <= number <= 65535:
                raise ValueError(f"OUTBOUND_ALLOW: {word!r} has no port between 1 and 65535")
        try:
            return cls(ip_network(target), number)
        except ValueError as error:
            name = target.lower().removesuffix(".")
            if not _NAME.fullmatch(name):
                raise ValueError(f"OUTBOUND_ALLOW: {word!r} is neither a host name nor a network") from error
            return cls(name, number)

    def lets(self, host: str, port: int, address: Address) -> bool:
        if self.port not in {None, port}:
            return False
        return self.target == host if isinstance(self.target, str) else address in self.target


@dataclass(frozen=True, slots=True)
class AllowList:
    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str]) -> "AllowList":
        """Raises ValueError with one sentence that names the setting and the entry."""
        return cls(tuple(Rule.parse(word) for word in words))

    def lets(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection to `address`, one of those of `host`, is wanted by the operator."""
        name = host.lower().removesuffix(".")
        return any(rule.lets(name, port, innermost(address)) for rule in self.rules)


def _split(word: str) -> tuple[str, str | None]:
    """(host or network, port or None)."""
    if word.startswith("["):
        target, _, rest = word[1:].partition("]")
        if not rest:
            return target, None
        return (target, rest[1:]) if rest.startswith(":") else (word, None)
    if word.count(":") == 1:
        target, _, port = word.partition(":")
        return target, port
    return word, None
