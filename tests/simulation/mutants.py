"""Mistakes planted in the real code, one at a time: the simulation has to find each.

    python -m tests.simulation.mutants [NAME …]

Those of the model come first, under the model's names; then those of what the model leaves out
(protocol.md §15), and of what only real code can get wrong. Each runs in a process of its own,
in which the changed text is what gets imported; a text that is not there any more is an error.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

SEEDS: Final = 700
"""Seeds that a mutant gets; most are found within the first ten."""
FOUND_LATELY: Final[Mapping[str, int]] = {
    "ack_stale": 49,
    "answer_first": 11,
    "body_not_kept": 212,
    "claim_clears_wake": 51,
    "confirm_by_state": 59,
    "copies_acked": 49,
    "copies_swallowed": 88,
    "deadline_from_answer": 604,
    "drain_before_stop": 39,
    "finish_once": 28,
    "forget_cancel": 12,
    "group_overtaken": 460,
    "late_park_waits": 44,
    "left_in_hand": 44,
    "limit_ignored": 23,
    "limit_miscounted": 23,
    "lost_finishes": 11,
    "lost_goes_on": 414,
    "no_audit": 203,
    "no_fence": 244,
    "no_local_deadline": 414,
    "no_tombstone": 46,
    "park_no_body": 25,
    "park_unnumbered": 59,
    "pause_release": 25,
    "pruned_early": 11,
    "pruned_standing": 52,
    "record_unarmed": 14,
    "rescues_kept": 68,
    "retry_unarmed": 21,
    "stamp_late": 63,
    "token_only": 8,
}
"""Where few seeds find a mutant, one that did: tried first, and where it no longer does, all are."""
_PRELOADED: Final = ("asyncio", "click", "pydantic", "pydantic_core", "pydantic_settings", "pytest")


@dataclass(frozen=True, slots=True)
class Edit:
    """In a module, `old` (there once) becomes `new`."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake. `promise` is what it breaks, as the checker words it (any of them)."""

    name: str
    what: str
    edits: tuple[Edit, ...]


_CLAIM, _FINISH = "longshore.protocol.claim", "longshore.protocol.finish"
_CHANGE, _PUBLISH = "longshore.protocol.change", "longshore.publish"
_CLIENT, _LOSERS = "longshore.client", "longshore.worker.losers"
_WRITING, _MESSAGES = "longshore.worker.writing", "longshore.worker.messages"
_LEASE = "longshore.worker.lease"
_TAKING, _SLOTS = "longshore.worker.taking", "longshore.worker.slots"
_WORKER, _WATCH = "longshore.worker.worker", "longshore.worker.watch"
_ENDING, _DETACH = "longshore.worker.ending", "longshore.worker.detach"
_GROUPS, _HANDS = "longshore.worker.groups", "longshore.worker.hands"
_MEMORY = "longshore_adapters.memory.task_log"


def _mutant(name: str, what: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, what, tuple(Edit(*edit) for edit in edits))


OF_THE_MODEL: Final = (
    _mutant(
        "ack_first",
        "the message is acknowledged before the outcome is logged",
        (
            _WRITING,
            "            answers = await self._answered(batch)\n",
            "            for one in batch:\n"
            "                if one.delivery is not None:\n"
            "                    await self._ports.queue(one.delivery.queue).ack([one.delivery])\n"
            "            answers = await self._answered(batch)\n",
        ),
    ),
    _mutant(
        "no_fence",
        "finish checks the state, not the token",
        (_FINISH, " or row.token != outcome.token:", ":"),
    ),
    _mutant(
        "token_only",
        "finish checks the token, not the state",
        (_FINISH, "row is None or row.state is not TaskState.RUNNING or", "row is None or"),
    ),
    _mutant(
        "same_token",
        "a takeover does not raise the token",
        (
            _CLAIM,
            "        token=row.token + 1,",
            "        token=row.token + (row.state is not TaskState.RUNNING),",
        ),
    ),
    _mutant(
        "ack_stale",
        "a worker whose finish was refused acknowledges anyway",
        (_FINISH, "        settle=Settle.LEAVE,\n", "        settle=Settle.ACK,\n"),
    ),
    _mutant(
        "busy_ack",
        "a message of a running task is acknowledged as a duplicate",
        (
            _LOSERS,
            "            elif answer.until is None or answer.armed:",
            "            elif answer.until is None or answer.armed or answer.answer is Answer.BUSY:",
        ),
    ),
    _mutant(
        "no_lease_check",
        "a claim takes over without looking at the lease",
        (
            _CLAIM,
            "    if lease_is_live(row, now):\n        return _busy",
            "    if False:\n        return _busy",
        ),
    ),
    _mutant(
        "no_local_deadline",
        "a worker cut off from the log runs on",
        (_WATCH, "            if now >= one.deadline:", "            if False:"),
    ),
    _mutant(
        "extend_blind",
        "the broker's lease is extended where the log's was not renewed",
        (
            _LEASE,
            "        answers = await ports.task_log.renew(",
            "        for one in batch:\n"
            "            if one.delivery is not None:\n"
            "                port = ports.queue(one.delivery.queue)\n"
            "                await port.extend([one.delivery], lease=one.lease + BROKER_EXTRA)\n"
            "        answers = await ports.task_log.renew(",
        ),
        (
            _LEASE,
            "if not self._take(one, answer, sent) or one.delivery is None:",
            "if not self._take(one, answer, sent) or True:",
        ),
    ),
    _mutant(
        "no_poison",
        "a takeover does not look at max_rescues",
        (_CLAIM, "if bid.lost_fails or row.rescues >= bid.max_rescues:", "if bid.lost_fails:"),
    ),
    _mutant(
        "rescue_costs_attempt",
        "a takeover counts an attempt",
        (_CLAIM, "now, attempts=row.attempts)", "now, attempts=row.attempts + 1)"),
    ),
    _mutant(
        "drain_costs_attempt",
        "a drained task does not get its attempt back",
        (_FINISH, "attempts=row.attempts - 1,", "attempts=row.attempts,"),
    ),
    _mutant(
        "ignore_due",
        "a claim does not look at the due time",
        (_CLAIM, "    if row.due_at > now:", "    if False:"),
    ),
    _mutant(
        "early_ack",
        "a message that comes before the due time is acknowledged",
        (
            _LOSERS,
            "            elif answer.until is None or answer.armed:",
            "            elif answer.until is None or answer.armed or answer.answer is Answer.EARLY:",
        ),
    ),
    _mutant(
        "answer_first",
        "the caller is answered before anything is durable",
        (_CLIENT, "                if error is None:\n", "                if True:\n"),
    ),
    _mutant(
        "record_unarmed",
        "the row is recorded without a wake-up, then the message is sent",
        (_CLIENT, "state=TaskState.CREATED, armed=True,", "state=TaskState.CREATED, armed=False,"),
    ),
    _mutant(
        "record_upsert",
        "record overwrites a row that a worker has adopted",
        (_MEMORY, "    row = server.rows.get(record.spec.id)\n", "    row = None\n"),
    ),
    _mutant(
        "confirm_first",
        "the scheduler clears the wake-up, then publishes",
        (
            _PUBLISH,
            "            try:\n                answers = await self._send(",
            "            await self._change(group, Verb.CONFIRM)\n"
            "            try:\n                answers = await self._send(",
        ),
    ),
    _mutant(
        "confirm_blind",
        "the scheduler writes 'queued' without a compare",
        (
            _CHANGE,
            "    return (\n        wanted.state in",
            "    return wanted.verb is Verb.CONFIRM or (\n        wanted.state in",
        ),
        (_CHANGE, "state=TaskState.QUEUED if sent else row.state)", "state=TaskState.QUEUED)"),
    ),
    _mutant(
        "confirm_by_state",
        "confirm compares the state only",
        (_CHANGE, "        and wanted.token in (None, row.token)\n", ""),
        (_CHANGE, "        and wanted.wake_no in (None, row.wake_no)\n", ""),
    ),
    _mutant(
        "park_unnumbered",
        "a wake-up that is set already keeps its number",
        (
            _CHANGE,
            "    return replace(kept, wake_at=wake_at, wake_no=row.wake_no + 1)",
            "    number = row.wake_no + (row.wake_at is None)\n"
            "    return replace(kept, wake_at=wake_at, wake_no=number)",
        ),
    ),
    _mutant(
        "claim_clears_wake",
        "a claim clears the wake-up: 'there must be a message'",
        (_CLAIM, "    arm = row.wake_at is not None or bid.early_ack", "    arm = bid.early_ack"),
    ),
    _mutant(
        "sweep_new_id",
        "the sweep publishes under a new id",
        (
            _PUBLISH,
            '        body=row.body or b"",',
            "        body=(row.body or b\"\").replace(row.id[-2:].encode() + b'\"', b'ff\"'),",
        ),
    ),
    _mutant(
        "retry_new_id",
        "a retry is published under a new id, then the old one acknowledged",
        (
            _MESSAGES,
            '                await self._tried(port, "release", port.release, work.releases)\n',
            "                from longshore.queue import Outgoing\n"
            "                for one in work.releases:\n"
            "                    d = one.delivery\n"
            "                    body = d.body.replace(d.key[-2:].encode() + b'\"', b'ff\"')\n"
            "                    await port.send([Outgoing(key=d.key[:-2] + 'ff', body=body)])\n"
            "                    await port.ack([d])\n",
        ),
    ),
    _mutant(
        "pause_release",
        "messages of a paused task are released for ever",
        (
            _LOSERS,
            "            elif answer.answer is Answer.HELD and not answer.has_body:\n",
            "            elif answer.answer is Answer.HELD:\n"
            "                releases.append(Release(delivery=bid.delivery, delay=_SOON))\n"
            "            elif answer.answer is Answer.HELD and not answer.has_body:\n",
        ),
    ),
    _mutant(
        "resume_unarmed",
        "pause acknowledges, resume does not publish",
        (
            _CHANGE,
            "    return _armed(queued, wanted, max(row.due_at, now)) or queued",
            "    return queued",
        ),
    ),
    _mutant(
        "park_no_body",
        "acknowledged, but the row has no body to publish",
        (_LOSERS, "elif answer.answer is Answer.HELD and not answer.has_body:", "elif False:"),
    ),
    _mutant(
        "retry_unarmed",
        "an operator's retry changes the row, then publishes",
        (_CHANGE, "    return _armed(fresh, wanted, due_at)", "    return fresh"),
    ),
    _mutant(
        "no_tombstone",
        "cancel of a task that has no row writes nothing",
        (_CHANGE, "        return _tombstone(wanted, now), None", "        return None, None"),
    ),
    _mutant(
        "hard_delete",
        "delete removes the row while its message lives",
        (
            _MEMORY,
            "    applied = after is not None\n",
            "    applied = after is not None\n"
            "    if applied and wanted.verb.value == 'delete':\n"
            "        del server.rows[wanted.task_id]\n",
        ),
    ),
    _mutant(
        "forget_cancel",
        "takeover and give-back do not look at a pending cancel",
        (_CLAIM, "    if row.cancel_requested_at is not None:", "    if False:"),
        (_FINISH, "row.cancel_requested_at is not None or outcome", "outcome"),
    ),
    _mutant(
        "redrive_is_done",
        "a redriven failed task is answered 'done'",
        (_CLAIM, "row.state is not TaskState.FAILED or bid.stamp != row.run:", "True:"),
    ),
    _mutant(
        "redrive_any",
        "any message of a failed task restarts it",
        (_CLAIM, " or bid.stamp != row.run:", ":"),
    ),
    _mutant(
        "stamp_late",
        "a dead letter is stamped with the newest run",
        (
            _MESSAGES,
            "            if work.rejections:\n",
            "            if dead := work.rejections:\n"
            "                from dataclasses import replace\n"
            "                rows = await self._ports.task_log.get([d.delivery.key for d in dead])\n"
            "                work.rejections = [replace(d, stamp=r.run) for d, r in zip(dead, rows)]\n",
        ),
    ),
    _mutant(
        "no_audit",
        "nobody looks for rows whose message the broker dropped",
        (
            "longshore.scheduler.audit",
            "        elif self._ports.clock.monotonic() >= self._look_at:",
            "        elif False:",
        ),
    ),
)

BEYOND_THE_MODEL: Final = (
    _mutant(
        "solo_beside_others",
        "the last try runs beside others, and its neighbours are condemned with it",
        (_SLOTS, "(self.solo if held.alone else self.ready)", "(self.ready)"),
    ),
    _mutant(
        "claims_crossed",
        "answers of a batch of claims are taken in the wrong order",
        (
            _TAKING,
            "for bid, answer in zip(fresh, answers,",
            "for bid, answer in zip(fresh, [*reversed(answers)],",
        ),
    ),
    _mutant(
        "finishes_crossed",
        "answers of a batch of finishes are taken in the wrong order",
        (
            _WRITING,
            "        await self._messages.settle(batch, answers)\n",
            "        await self._messages.settle(batch, [*reversed(answers)])\n",
        ),
    ),
    _mutant(
        "copies_swallowed",
        "a message that comes after the end of an attempt is kept as its copy",
        (_TAKING, "if held is None or held.ended:", "if held is None:"),
    ),
    _mutant(
        "copies_acked",
        "copies of a message are acknowledged though the finish was refused",
        (_MESSAGES, "            if answer.accepted and answer.", "            if answer."),
        (_FINISH, "        settle=Settle.LEAVE,\n", "        settle=Settle.ACK,\n"),
    ),
    _mutant(
        "body_not_kept",
        "a message is acknowledged though the log refused to take it over",
        (_LOSERS, "            if answer.applied:\n", "            if True:\n"),
    ),
    _mutant(
        "finish_once",
        "a finish whose answer was lost is not repeated, and its message acknowledged",
        (
            _WRITING,
            '                _log.warning("%d outcomes are not in the log yet: %s", len(batch), error)\n',
            "                from longshore.protocol import Finished, Settle\n"
            "                return [\n"
            "                    Finished(task_id=one.held.spec.id, accepted=True, settle=Settle.ACK)\n"
            "                    for one in batch\n"
            "                ]\n",
        ),
    ),
    _mutant(
        "lost_goes_on",
        "a worker whose lease was lost does not stop its handler",
        (_LEASE, '            if not one.ended:\n                self._tell(one, "lost")\n', ""),
        (_WATCH, "            if now >= one.deadline:", "            if False:"),
    ),
    _mutant(
        "lost_finishes",
        "a worker finishes under whatever token the row has now",
        (_FINISH, " or row.token != outcome.token:", ":"),
        (_ENDING, '        if held.stopped == "lost":\n            return None\n', ""),
    ),
    _mutant(
        "drain_before_stop",
        "a drained task is given back while its handler still runs",
        (_WORKER, "        await self._until(self._only_stuck, soon, hurried=False)\n", ""),
        (
            _WORKER,
            "for held in stuck if not held.ended], _LEAVE)",
            "for held in stuck if not held.ended], None)",
        ),
    ),
    _mutant(
        "detach_unparked",
        "a long task's message is acknowledged whether or not its row took the wake-up over",
        (_DETACH, "strict=True) if one.applied]", "strict=True) if one or True]"),
        (_DETACH, "verb=Verb.PARK", "verb=Verb.KEEP_BODY"),
    ),
    _mutant(
        "late_park_waits",
        "a message whose park is refused is to wait where the broker cannot: it stays in hand",
        (_LOSERS, "delay=self._soon", "delay=_SOON"),
        (_HANDS, "elif now - since >= self._patience:", "elif now < since:"),
    ),
    _mutant(
        "left_in_hand",
        "what is left to its lease stays in hand where the broker has no leases",
        (_HANDS, "elif now - since >= self._patience:", "elif now < since:"),
    ),
    _mutant(
        "deadline_from_answer",
        "the local deadline counts from the answer of the renewal, far too long",
        (
            _LEASE,
            "        one.deadline = sent + kept_for(one.lease)",
            "        one.deadline = ports_now(one)",
        ),
        (
            _LEASE,
            "class LeaseKeeper:",
            "def ports_now(one):\n    return one.ctx.clock.monotonic() + 2 * one.lease.total_seconds()\n\n\nclass LeaseKeeper:",
        ),
        (
            _TAKING,
            "            deadline=asked + self._kept,",
            "            deadline=asked + 2 * self.policy.lease.total_seconds(),",
        ),
    ),
    _mutant(
        "snooze_counts",
        "a snooze counts as a failed attempt",
        (
            "longshore.worker.outcome",
            "            return self.give_back(held, until, capabilities=capabilities)\n",
            "            pass\n",
        ),
    ),
    _mutant(
        "rescues_kept",
        "rescues are not forgotten when an attempt ends by itself",
        (
            _FINISH,
            "return _again(replace(row, rescues=0), outcome, now)",
            "return _again(row, outcome, now)",
        ),
    ),
    _mutant(
        "limit_ignored",
        "a queue's own limit is not asked for",
        (
            _SLOTS,
            "        return room if own is None else min(room, own - self._by_queue[queue])",
            "        return room",
        ),
    ),
    _mutant(
        "limit_miscounted",
        "what ended is still counted, or what is to be claimed is not",
        (_SLOTS, "        self._by_queue[queue] += count\n", ""),
    ),
    _mutant(
        "pruned_early",
        "a row is removed before its messages can be gone",
        (
            "longshore.scheduler.prune",
            "        states[max(age, least)].add(state)",
            "        states[age].add(state)",
        ),
    ),
    _mutant(
        "pruned_standing",
        "a row is removed while a message of it is in the same store",
        (_MEMORY, " and row.id not in standing", ""),
    ),
    _mutant(
        "group_beside_itself",
        "tasks of one group run at the same time",
        (
            _GROUPS,
            "            if held.group is None or held.group not in self._under_way:",
            "            if True:",
        ),
    ),
    _mutant(
        "group_overtaken",
        "what comes behind a task of its group that goes back is run",
        (
            _GROUPS,
            "            self._blocked.add(group)\n",
            "",
        ),
    ),
    _mutant(
        "detach_unlogged",
        "a message is acknowledged in mid-run though no row has taken the wake-up over",
        ("longshore.levels", "applied=False, task=None)", "applied=True, task=None)"),
    ),
    _mutant(
        "expired_runs",
        "a claim does not look at the deadline",
        (
            _CLAIM,
            "    return row.expires_at is not None and row.expires_at <= now",
            "    return False",
        ),
    ),
)

ELSEWHERE: Final[Mapping[str, str]] = {
    "fifo_task_id": "the core names no deduplication id; an SQS adapter's test has to find it",
    "ladder_ack_first": "the core has no delayed copies; a RabbitMQ adapter's test has to find it",
    "early_ack_unwatched": "no worker acknowledges at the claim itself; the conformance kit finds it",
    "forget_claim": "harmless, as the model shows",
    "refuse_late": "harmless, as the model shows",
}
"""Mutants of the model that the code here has no place for."""

MUTANTS: Final = {one.name: one for one in (*OF_THE_MODEL, *BEYOND_THE_MODEL)}


class _Changed(SourceFileLoader):
    """Loads a module with its edits made, and nothing from a cache."""

    def __init__(self, name: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(name, path)
        self._edits = edits

    def get_code(self, fullname: str) -> CodeType | None:
        text = self.get_data(self.path).decode()
        for edit in self._edits:
            if text.count(edit.old) != 1:
                message = f"{edit.old!r} is in {fullname} {text.count(edit.old)} times, not once"
                raise LookupError(message)
            text = text.replace(edit.old, edit.new)
        return compile(text, self.path, "exec", dont_inherit=True)


class _Finder:
    """Finds the modules that a mutant changes."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self._edits = list(edits)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = [edit for edit in self._edits if edit.module == name]
        spec = PathFinder.find_spec(name, path, target) if edits else None
        if spec is None or spec.origin is None:
            return None
        spec.loader = _Changed(name, spec.origin, edits)
        return spec


def hunt(mutant: Mutant, seeds: int) -> dict[str, object]:
    """Plant a mistake in this process, which must not have imported the code, and look for it."""
    sys.meta_path.insert(0, _Finder(mutant.edits))
    from tests.simulation.run import simulate  # noqa: PLC0415 - only now, with the mistake in it

    for edit in mutant.edits:
        __import__(edit.module)
    for seed in dict.fromkeys([FOUND_LATELY.get(mutant.name, 0), *range(seeds)]):
        found = [one for one in simulate(seed).found if one.promise != "worker"]
        if found:
            return {"name": mutant.name, "seed": seed, "breaks": str(found[0])}
    return {"name": mutant.name, "seed": None, "breaks": None}


def main(names: Sequence[str]) -> int:
    """Hunt each in a process of its own, two at a time; a line of JSON for each."""
    for name in _PRELOADED:  # not ours, so they may be shared
        __import__(name)
    missed, running = 0, 0
    for mutant in [MUTANTS[name] for name in names] or list(MUTANTS.values()):
        if running == 2:
            missed += bool(os.wait()[1])
            running -= 1
        if os.fork() == 0:
            _hunt_and_leave(mutant)
        running += 1
    while running:
        missed += bool(os.wait()[1])
        running -= 1
    return 1 if missed else 0


def _hunt_and_leave(mutant: Mutant) -> None:
    try:
        result = hunt(mutant, SEEDS)
    except BaseException as error:  # noqa: BLE001 - told to who started it
        result = {"name": mutant.name, "seed": None, "breaks": None, "error": repr(error)}
    line = json.dumps(result) + "\n"
    os.write(sys.stdout.fileno(), line.encode())
    os._exit(0 if result["seed"] is not None else 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
