"""How the services of the directory can be off: reads that lag behind writes, services that an older Zitadel lacks."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

from generalbots_api.backends.dev_directory.core import Core

SERVICES = ("UserService", "AuthorizationService", "GroupService")
_READS = ("Get", "List")


@dataclass(slots=True)
class Levers:
    core: Core
    missing: set[str] = field(default_factory=set)  # of SERVICES
    _past: Core | None = None

    def lag(self) -> None:
        """Reads see everyone as of now, whatever is written, until `catch_up`."""
        self._past = replace(self.core, people=deepcopy(self.core.people))

    def catch_up(self) -> None:
        self._past = None

    def core_for(self, service: str, method: str) -> Core | None:
        """What a method works on; None: there is no such service."""
        if service.rpartition(".")[2] in self.missing:
            return None
        return self._past if self._past is not None and method.startswith(_READS) else self.core
