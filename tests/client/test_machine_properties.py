"""Client and server as values, with everything between them at random: cuts, losses, repeats, reorderings, crashes.

What is acknowledged is in the log once; what the reader is shown is the log, in order, whole in the end; of a reply
nothing is shown but what the bot wrote, in order, and nothing after its end.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.world import World

EXAMPLES = int(os.environ.get("CLIENT_EXAMPLES", "100"))  # thousands find what is rare
STEPS: dict[str, tuple[int, Callable[[World], None]]] = {  # how often, and what
    "connect": (14, World.connect),
    "cut": (3, World.cut),
    "one up": (6, lambda world: world.up(1)),
    "all up": (8, lambda world: world.up(99)),
    "one down": (8, lambda world: world.down(1)),
    "some down": (6, lambda world: world.down(4)),
    "all down": (6, lambda world: world.down(99)),
    "swap": (4, World.swap),
    "repeat": (4, World.repeat),
    "a moment": (4, lambda world: world.wait(0.3)),
    "a second": (3, lambda world: world.wait(1.0)),
    "half a minute": (1, lambda world: world.wait(26.0)),
    "page": (7, World.page),
    "no page": (1, World.no_page),
    "start": (7, lambda world: world.server.start()),
    "piece": (12, World.piece),
    "finish": (5, lambda world: world.server.finish()),
    "lose": (3, World.lose),
    "put off": (1, World.put_off),
    "elsewhere": (5, World.elsewhere),
    "crash": (1, World.crash),
    "replace": (1, World.replace),
    "send": (7, World.send),
    "read one": (5, lambda world: world.read(1)),
    "read all": (6, lambda world: world.read(99)),
}
WEIGHTED = [name for name, (weight, _) in STEPS.items() for _ in range(weight)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    steps=st.lists(st.sampled_from(WEIGHTED), min_size=60, max_size=200),
    before=st.integers(0, 12),
    max_events=st.sampled_from([4, 256]),
    ends=st.booleans(),
)
def test_what_is_shown_is_the_log_and_what_is_sent_is_in_it_once(
    steps: list[str], before: int, max_events: int, ends: bool
) -> None:
    world = World(max_events)
    for _ in range(before):
        world.elsewhere()
    for place, step in enumerate(steps):
        if ends and place == len(steps) - 20:
            world.end()
        STEPS[step][1](world)
        world.check()
    world.heal()
