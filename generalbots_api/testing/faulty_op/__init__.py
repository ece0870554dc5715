"""An OpenID Provider that lies as it is told, for tests of one's own directory settings.

    op = FaultyOp("https://op.example", "my client", "my secret", clock=clock)
    directory = OidcDirectory(op.issuer, op.client_id, op.client_secret, transport=op.transport(), clock=clock)
    ...
    op.faults = Faults(claims={"aud": "another"})  # while it runs
    op.faults = Faults()  # honest again

It is an ASGI app too, for a server on loopback. Whoever comes to its
authorization endpoint is logged in at once, as `op.user`.
"""

from generalbots_api.testing.faulty_op.faults import LEFT_OUT, Endpoint, Faults, FromNow, Signature, Trouble
from generalbots_api.testing.faulty_op.op import FaultyOp

__all__ = ["LEFT_OUT", "Endpoint", "Faults", "FaultyOp", "FromNow", "Signature", "Trouble"]
