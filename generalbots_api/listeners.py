"""Who listens to what in this process: the part that every bus shares."""

from __future__ import annotations

from collections.abc import Callable

from generalbots_api.bus import Listener


class Listeners:
    """By topic, in the order in which they came. Belongs to one event loop."""

    def __init__(self) -> None:
        self._of_topics: dict[str, dict[object, Listener]] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._of_topics

    def count(self, topic: str) -> int:
        return len(self._of_topics.get(topic, ()))

    def topics(self) -> list[str]:
        return list(self._of_topics)

    def tell(self, topic: str, payload: bytes) -> None:
        """Call every listener of the topic at once."""
        listeners = self._of_topics.get(topic)
        if listeners:
            for listener in tuple(listeners.values()):  # one may leave meanwhile
                listener(payload)

    def add(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Listen from now on; the answer ends it, and may be called twice."""
        place = object()  # the same listener may come twice, and then hears all twice
        self._of_topics.setdefault(topic, {})[place] = listener

        def leave() -> None:
            listeners = self._of_topics.get(topic, {})
            if listeners.pop(place, None) is not None and not listeners:
                del self._of_topics[topic]

        return leave
