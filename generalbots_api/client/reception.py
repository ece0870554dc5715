"""What each frame of the server means to a conversation. Values in, actions out."""

from __future__ import annotations

from dataclasses import dataclass

from generalbots_api.client.actions import Action, Hang, RenewLogin, Transmit
from generalbots_api.client.errors import BadAnswer, error_of
from generalbots_api.client.events import LoginExpiring, SessionUpdated
from generalbots_api.client.frames import (
    Ack,
    Delta,
    Expiring,
    Failure,
    Goodbye,
    Hello,
    Ping,
    ServerFrame,
    Snapshot,
    Start,
    Subscribed,
    Updated,
    frame,
    read_frame,
)
from generalbots_api.client.machine import Machine
from generalbots_api.client.messages import Message


@dataclass(frozen=True, slots=True)
class Reception:
    machine: Machine

    def received(self, text: str, now: float) -> list[Action]:
        """Take a frame. Of another session, or of a kind that is not known: nothing."""
        machine = self.machine
        if machine.over:
            return []
        machine.heartbeat.heard(now)
        try:
            one = read_frame(text)
        except BadAnswer as error:
            return machine.end(error)
        if one is None or getattr(one, "session_id", None) not in (None, machine.session_id):
            return []
        if isinstance(one, Subscribed):
            return self._subscribed(one, now)
        return machine.step(self._answer(one, now), now)

    def _answer(self, one: ServerFrame, now: float) -> list[Action]:
        log = self.machine.log
        match one:
            case Ping():
                return [Transmit(frame("pong"))]
            case Hello():
                self._greeted(one)
            case Ack():
                return self._acknowledged(one)
            case Message():
                log.place(one)
                return self.machine.sending.sighted(one)
            case Start():
                log.start(one)
            case Delta() | Snapshot():
                return [self.machine.subscribe()] if log.piece(one) and self.machine.live else []
            case Failure():
                return self._failed(one, now)
            case _:
                return self._told(one)
        return []

    def _told(self, one: ServerFrame) -> list[Action]:
        """Of the session, the login and the connection."""
        log = self.machine.log
        match one:
            case Updated(status="ended"):
                self.machine.ending = one
                log.head = max(log.head, one.seq or 0)
            case Updated():
                log.inbox.put(SessionUpdated(one.status, one.reason))
            case Expiring():
                log.inbox.put(LoginExpiring(one.expires_at))
                return [RenewLogin()] if self.machine.renewable else []
            case Goodbye():
                self.machine.goodbye = one
            case _:
                pass  # a pong, which counts as a sign of life
        return []

    def _greeted(self, hello: Hello) -> None:
        self.machine.sending.limits = hello.limits
        self.machine.sending.pace.frames_per_second = hello.limits.frames_per_second
        self.machine.heartbeat.interval = hello.heartbeat_ms / 1000
        self.machine.heartbeat.patience = hello.pong_timeout_ms / 1000

    def _subscribed(self, one: Subscribed, now: float) -> list[Action]:
        machine, log = self.machine, self.machine.log
        if one.id not in (None, machine.subscription):
            return []  # an earlier one, which a newer one has taken the place of
        machine.went_live(now)
        replaced = log.begin(one.epoch, one.seq)
        running = one.running.reply_id if one.running is not None else None
        if log.reply is not None and log.reply.reply_id != running:
            log.reply = None  # it ended; its message comes, or is in the history
        again: list[Action] = [machine.stop()] if running is not None and running == machine.stopping else []
        return machine.step(again, now, urgent=replaced or not one.recovered)

    def _acknowledged(self, ack: Ack) -> list[Action]:
        machine, log = self.machine, self.machine.log
        actions, message = machine.sending.acknowledged(ack)
        machine.rate = ack.rate or machine.rate
        machine.expected_reply = ack.reply_id
        if log.seq is None and ack.duplicate:
            return actions  # live only, and this is of before
        if message is not None:
            log.place(message)
        elif log.seq is not None:
            log.head = max(log.head, ack.seq)
        return actions

    def _failed(self, failure: Failure, now: float) -> list[Action]:
        machine = self.machine
        if failure.id != machine.subscription:
            return machine.sending.refused(failure, now)
        error = error_of(failure.error)
        if failure.error.details.get("retryable") is True or error.status == 429:
            wait = failure.error.details.get("retry_after_ms")
            machine.asked_wait = wait / 1000 if isinstance(wait, int | float) else 0.0
            return [Hang(1000, "the subscription was put off")]
        if error.status == 404 and machine.was_live:
            machine.ending = machine.ending or Updated(machine.session_id, "ended", "not_found")
            machine.live = True  # as far as the log goes, which is read to its end
            return [] if machine.log.filling else list(machine.catch_up.read())
        return machine.end(error)
