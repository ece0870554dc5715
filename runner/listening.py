"""Where the service listens: an address as it is written, and the socket that is bound to it."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from runner.layers import SettingsError

BACKLOG = 1_024
MAX_PORT = 65_535
SOCKET_UMASK = 0o117  # the owner and the group may connect
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound
PROBE_TIMEOUT = 1.0  # seconds


class CannotBind(Exception):
    """The address cannot be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Listener(AbstractContextManager["Listener"]):
    """A bound socket, and where it is reached. Leaving it takes the file of a Unix socket away."""

    descriptor: int
    origin: str  # "http://127.0.0.1:8080"
    host: str | None = None  # None: no address of a network
    path: Path | None = None
    is_own: bool = True

    @property
    def is_loopback(self) -> bool:
        return self.host is not None and is_loopback(self.host)

    @property
    def shown(self) -> str:
        return f"unix:{self.path}" if self.path else self.origin

    def __exit__(self, *exc_info: object) -> None:
        if self.path is not None and self.is_own:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Tcp:
    host: str
    port: int  # 0: any that is free

    def origin(self, scheme: str) -> str:
        host = ANY_HOST.get(self.host, self.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def listen(self, scheme: str) -> Listener:
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self.host, self.port))
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            problem = f"{self.host}:{self.port} cannot be used ({error.strerror})"
            raise CannotBind(f"{problem}. Choose another with --bind, or end what uses it.") from None
        bound = Tcp(self.host, sock.getsockname()[1])
        return Listener(sock.detach(), bound.origin(scheme), self.host)


@dataclass(frozen=True, slots=True)
class Unix:
    path: Path

    def origin(self, scheme: str) -> str:
        return f"{scheme}://localhost"

    def listen(self, scheme: str) -> Listener:
        self._take_away_what_is_dead()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(SOCKET_UMASK)
        try:
            sock.bind(str(self.path))
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            raise CannotBind(f"{self.path} cannot be used ({error.strerror or error}). Choose another.") from None
        finally:
            os.umask(umask)
        return Listener(sock.detach(), self.origin(scheme), path=self.path.absolute())

    def _take_away_what_is_dead(self) -> None:
        """Remove the socket of a process that was killed; anything else at the path stays.

        Raises:
            CannotBind: something else is there, or a living process listens.
        """
        try:
            is_socket = stat.S_ISSOCK(self.path.lstat().st_mode)
        except OSError:
            return  # nothing is there, or binding will tell why it cannot be reached
        if not is_socket:
            raise CannotBind(f"{self.path} is there already, and is no socket. It was left as it is: choose another.")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(PROBE_TIMEOUT)
            try:
                probe.connect(str(self.path))
            except ConnectionRefusedError:
                self.path.unlink(missing_ok=True)
                return
            except OSError as error:
                raise CannotBind(f"{self.path} cannot be used ({error}). Choose another.") from None
        raise CannotBind(f"{self.path} is in use by another process. End that, or choose another.")


@dataclass(frozen=True, slots=True)
class Given:
    """A socket that whoever started the process has bound."""

    descriptor: int

    def origin(self, scheme: str) -> str:
        return f"{scheme}://localhost"

    def listen(self, scheme: str) -> Listener:
        try:
            sock = socket.socket(fileno=self.descriptor)
        except OSError as error:
            raise CannotBind(f"fd://{self.descriptor} is not an open socket ({error.strerror}).") from None
        family, name = sock.family, sock.getsockname()
        is_stream = sock.type == socket.SOCK_STREAM
        sock.detach()
        if not is_stream:
            raise CannotBind(f"fd://{self.descriptor} is not a stream socket.")
        if family not in (socket.AF_INET, socket.AF_INET6):
            return Listener(self.descriptor, self.origin(scheme))
        return Listener(self.descriptor, Tcp(name[0], name[1]).origin(scheme), name[0])


def address_of(bind: str) -> Tcp | Unix | Given:
    """Raises:
    SettingsError: it is written in no way that is known.
    """
    if bind.startswith("fd://") and bind[5:].isdecimal():
        return Given(int(bind[5:]))
    if bind.startswith("unix:") and bind[5:]:
        return Unix(Path(bind[5:]))
    host, _, port = bind.rpartition(":")
    if "//" in bind or not host.strip("[]") or not port.isdecimal() or int(port) > MAX_PORT:
        raise SettingsError(f"bind: must be HOST:PORT, unix:PATH or fd://N, not {bind!r}")
    return Tcp(host.strip("[]"), int(port))


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
