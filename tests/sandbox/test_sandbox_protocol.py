"""The parser of the host's answers: any bytes give a reply that keeps the rules, or HostError."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.protocol import (
    CAUSES,
    COMPONENT_NAME,
    MAX_NAMES,
    REPLY,
    TEXT_BYTES,
    HostError,
    Reply,
    action_constants,
    clean_text,
    function_signature,
    pack_reply,
    parse_reply,
)

NONCE = bytes(range(16))
GOOD = pack_reply(Reply(("a", "dense.b_2"), 7), NONCE)
BAD = pack_reply(Reply(error=HostError("value", "what is wrong", 3, "near", 1, 2)), NONCE)


def parse(raw: bytes) -> Reply | None:
    try:
        return parse_reply(raw, NONCE)
    except HostError as problem:
        assert problem.cause == "protocol"
        return None


def check_rules(reply: Reply | None) -> None:
    if reply is None:
        return
    assert len(reply.names) <= MAX_NAMES and reply.text_length <= TEXT_BYTES
    assert all(COMPONENT_NAME.fullmatch(name) for name in reply.names)
    if reply.error is not None:
        assert reply.error.cause in CAUSES and str(reply.error).isprintable()


def test_a_reply_survives_the_wire() -> None:
    assert parse(GOOD) == Reply(("a", "dense.b_2"), 7)
    error = parse_reply(BAD, NONCE).error
    assert error is not None
    assert (error.cause, error.message, error.line, error.component, error.t, error.n) == (
        "value", "what is wrong", 3, "near", 1, 2,
    )  # fmt: skip


def test_a_name_sent_twice_is_refused() -> None:
    assert parse(pack_reply(Reply(("a", "a")), NONCE)) is None


def test_a_reply_with_another_nonce_is_refused() -> None:
    assert parse(pack_reply(Reply(("a",)), bytes(16))) is None


@given(st.binary(max_size=2 * REPLY.size) | st.binary(min_size=REPLY.size, max_size=REPLY.size))
def test_random_bytes_are_refused_or_parsed(raw: bytes) -> None:
    check_rules(parse(raw))


@settings(max_examples=400)
@given(st.sampled_from([GOOD, BAD]), st.lists(st.tuples(st.integers(24, REPLY.size - 1), st.integers(0, 255))))
def test_replies_with_changed_bytes_are_refused_or_parsed(base: bytes, changes: list[tuple[int, int]]) -> None:
    raw = bytearray(base)
    for position, value in changes:
        raw[position] = value
    check_rules(parse(bytes(raw)))


@given(st.text(max_size=600), st.integers(0, 2**32 - 1) | st.none())
def test_any_message_of_a_program_can_be_sent(message: str, line: int | None) -> None:
    raw = pack_reply(Reply(error=HostError("exception", message, line, message)), NONCE)
    assert len(raw) == REPLY.size
    check_rules(parse(raw))


@given(st.binary())
def test_text_of_the_host_cannot_drive_a_terminal(raw: bytes) -> None:
    assert all(c.isprintable() or c in "\n\t" for c in clean_text(raw))


def test_signatures_and_action_constants_follow_the_rules() -> None:
    assert function_signature("dense") == ("dense", ("prev", "action", "state", "memory"))
    assert function_signature("potential") == ("potential", ("state", "memory"))
    assert function_signature("factors(prev, action, state)") == ("factors", ("prev", "action", "state"))
    assert action_constants(["toggle door", "left", "2x"]) == {"TOGGLE_DOOR": 0, "LEFT": 1, "A_2X": 2}
