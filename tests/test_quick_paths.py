"""What is done quicker where it can be gives what the long way gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generalbots_api import ids
from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import AT_ONCE, new_id
from generalbots_api.web import strict_json

text = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(["a:b", '":"', "\x00", "\\u0000", "{", "é"])
scalar = st.none() | st.booleans() | st.integers() | st.floats() | text
value = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Objects, some of them with a key twice, some with strange white space, some cut off."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(["type", "content", "id", "a"]) | text, value), max_size=5))
    if pairs and draw(st.booleans()):
        pairs.append(draw(st.sampled_from(pairs)))
    colon = draw(st.sampled_from([":", " : ", "\n:\t"]))
    written = ",".join(
        json.dumps(key) + colon + json.dumps(one, ensure_ascii=draw(st.booleans())) for key, one in pairs
    )
    document = (
        draw(st.sampled_from(["", " ", "\ufeff"])) + "{" + written + "}" + draw(st.sampled_from(["", " ", ",", "}"]))
    )
    return document[: draw(st.integers(0, len(document)))] if draw(st.integers(0, 9)) == 0 else document


def outcome(document: str) -> Any:
    try:
        return repr(strict_json.parse(document))
    except InvalidRequest as error:
        return error.message


def nothing_is_plain(text: str) -> None:
    """The long way for all."""


@given(documents())
@example('{"a" :1,"a":2}')
@example('{"a":"x:y","a":"z"}')
@example('{"a":"b", "a":null}')
@example('{"a":1e999}')
@example('{"a":"\x01"}')
@example('{"a":9223372036854775808}')
def test_a_plain_object_is_read_as_by_the_strict_decoder(document: str) -> None:
    quick = outcome(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "_plain", nothing_is_plain)
        assert quick == outcome(document)


def test_most_frames_of_a_chat_are_plain() -> None:
    assert strict_json._plain('{"type":"message","session_id":"s","content":"Hello","id":null}') is not None
    assert strict_json._plain('{"type":"message","content":"Hello","metadata":{"a":1}}') is None


FORKS = """
import os
from generalbots_api.ids import new_id
new_id()  # some more are drawn and wait
child = os.fork()
os.write(1, f"{new_id()}\\n".encode())
if child:
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_forks_and_its_child_give_out_different_ids() -> None:
    said = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True, timeout=60).stdout
    assert len(set(said.split())) == 2


def test_ids_are_all_different_and_of_128_bits() -> None:
    found = [new_id() for _ in range(3 * AT_ONCE)]
    assert len(set(found)) == len(found)
    assert {len(id) for id in found} == {22}
    assert len({id[-1] for id in found}) > 4, "every character is random"


class Emptied(list[str]):
    """As another thread leaves it that takes the last id between a look and the next step: it seemed to have one."""

    def __len__(self) -> int:
        return 1


def test_an_id_that_another_thread_has_taken_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_drawn", Emptied())
    assert len({new_id() for _ in range(2 * AT_ONCE)}) == 2 * AT_ONCE
