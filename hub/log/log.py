"""The log: every accepted message verbatim, durable before anybody is told so. Everything downstream reads from it.

One thread commits; any number of readers each open the log for themselves (SQLite in WAL mode lets them).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from hub.log.batch import AGAIN, Batch, Committed, add_counts, digest_of, encode
from hub.log.entry import decode_ranges
from hub.log.outcomes import Admitted, Refused
from hub.log.reader import LogReader
from hub.log.repeats import MOST_WALKED, Compared, Link, compare, spans, without
from hub.log.streams import DOUBT, EARLIER, Stream, StreamTable, TooManyHolesError, place_of_event
from hub.log.tables import STEPS
from hub.storage.database import open_database, transaction
from hub.wire.channels import Measured, Observed, channel
from hub.wire.messages import DECODERS, Event, Reply, Status, Telemetry, signed_part
from hub.wire.times import MOST_AHEAD
from hub.wire.topics import PREFIX, parse

_STATED = Measured, Observed
MOST_BRANCHES = 3
"""Branches of one stream, each with other content under numbers of the stream and the branches before it."""
RECENT = 60.0
"""So long after a board's last word no other one speaks from its backup [s]."""
QUIET = 600.0
"""A branch of which nothing came for so long holds back no acknowledgement any more [s]."""

STATUSES = 24
"""So many of a board's newest statuses are compared with one that comes: the broker keeps them, or somebody else."""

ABOVE = b"\xff" * 17
"""Behind the first half of a digest, it is above all digests that begin so."""
_ABOUT = """
SELECT digest, message.payload FROM json_each(?3) CROSS JOIN message
ON digest > substr(?1, 16 * json_each.key + 1, 16) AND digest < substr(?2, 33 * json_each.key + 1, 33)
"""
"""Messages by the first halves of their digests: many at once, since a statement takes longer than a look."""
_SIZE = "(length(payload) + 2 * length(topic) + length(detail))"
FLOOD = "flood"
"""Reason in the table `count` of messages that were let go of, neither kept nor acknowledged: they come again."""


class Log(LogReader):
    """The log in the file `path`; `rate`: how many seconds of the hub's time go by in one, not 1 in a simulation."""

    def __init__(self, path: Path, rate: float = 1.0) -> None:
        super().__init__(open_database(path, STEPS))
        self._streams = StreamTable(self._db)
        self._recent, self._quiet = RECENT * rate, QUIET * rate
        self._foreign: tuple[int, int] | None = None  # foreign messages in quarantine and their bytes; None: unknown
        self._version = 0  # of the database when that was counted; another one: another program has changed it

    def commit(self, outcomes: Iterable[Admitted | Refused], now: float) -> Committed:
        """Make the outcomes durable in one transaction.

        Raises:
            sqlite3.Error: nothing was committed.
        """
        with transaction(self._db, self._undo):
            batch = self._begin(now)
            outcomes = [*outcomes]
            self._look_up(outcomes, batch)
            for outcome in outcomes:
                self._take(outcome, batch)
            self._write(batch)
        return self._committed(batch)

    def done(
        self, consumer: str, offset: int | None, refused: Iterable[Refused], now: float, *, newest: bool = False
    ) -> None:
        """Note what a consumer cannot use, and that it is done up to `offset` (None: as before): both or neither.

        `newest`: they are points that are made again every minute; of each series only the last is kept, all count.
        """
        batch = Batch(now, 0)
        kept: dict[bytes, Refused] = {}
        for outcome in refused:
            series = outcome.payload.split(b" ")[0] + b" "
            if newest and series in kept:
                batch.count(kept[series])
                del kept[series]
            kept[series if newest else b"%d" % len(kept)] = outcome
        for outcome in kept.values():
            batch.quarantine(replace(outcome, authentic=True), [])
        with transaction(self._db, self._undo):
            if newest:
                self._db.executemany(
                    "DELETE FROM quarantine WHERE device IS ? AND reason = ? AND topic = ? "
                    "AND substr(payload, 1, length(?)) = ?",
                    [(o.device, o.reason, o.topic, series, series) for series, o in kept.items()],
                )
            batch.write(self._db)
            if offset is not None:
                self.save_position(consumer, offset)

    def replay(self, judge: Callable[[str, bytes], Admitted | Refused], now: float, most: int = 500) -> Committed:
        """Judge again what somebody asked for with `ask`; what is admitted now leaves the quarantine.

        Points that the series store refused are no messages: see `asked_points`.

        Raises:
            sqlite3.Error: nothing was committed.
        """
        rows = self._db.execute(
            "SELECT id, topic, payload, fresh, authentic, proof FROM quarantine "
            "WHERE asked = 1 AND reason != 'store' ORDER BY id LIMIT ?",
            (most,),
        ).fetchall()
        if not rows:
            return Committed()
        with transaction(self._db, self._undo):
            batch = self._begin(now)
            for id_, topic, payload, fresh, authentic, proof in rows:
                outcome = judge(topic, payload)
                if proof and isinstance(outcome, Admitted):  # it was proven on the line, which is gone
                    outcome = msgspec.structs.replace(outcome, proof=proof)
                if isinstance(outcome, Admitted) and fresh:
                    # The board was told that these are done with; here they are after all.
                    admitted = self._keep(outcome, decode_ranges(fresh), batch, again=True)
                    batch.counts["", "accepted"] += admitted
                elif isinstance(outcome, Refused) and (authentic or not outcome.authentic):
                    self._db.execute(
                        "UPDATE quarantine SET asked = 0, reason = ?, detail = ? WHERE id = ?",
                        (outcome.reason, outcome.detail, id_),
                    )
                    continue
                else:
                    admitted = self._take(outcome, batch, again=authentic == 1)
                    if authentic and not admitted:
                        self._db.execute("UPDATE quarantine SET asked = 0 WHERE id = ?", (id_,))
                        continue
                self._db.execute("DELETE FROM quarantine WHERE id = ?", (id_,))
                batch.counts["", "replayed"] += admitted
            self._foreign = None
            self._write(batch)
        return self._committed(batch)

    def ask(self, ids: Iterable[int] | None = None, device: str = "", reason: str = "") -> int:
        """Ask for messages of the quarantine to be judged again; return how many.

        All of them, or only these `ids`, of this board, with this reason.
        """
        return self._db.execute(
            "UPDATE quarantine SET asked = 1 WHERE :device IN ('', device) AND :reason IN ('', reason) "
            "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))",
            {"device": device, "reason": reason, "ids": encode(list(ids)) if ids else None},
        ).rowcount

    def asked(self, *, points: bool = True) -> int:
        """Return how many messages still wait for what `ask` asked for; `points`: and points for the series store."""
        which = "" if points else "AND reason != 'store'"
        return int(self._db.execute(f"SELECT count(*) FROM quarantine WHERE asked = 1 {which}").fetchone()[0])  # noqa: S608

    def asked_points(self, most: int = 500) -> list[tuple[int, str, bytes]]:
        """Return points that the series store refused and somebody asked for with `ask`: id, topic, line protocol.

        Their readings are in the log already: the store alone takes them again, and `answer` says what came of it.
        """
        return self._db.execute(
            "SELECT id, topic, payload FROM quarantine WHERE asked = 1 AND reason = 'store' ORDER BY id LIMIT ?",
            (most,),
        ).fetchall()

    def answer(self, taken: Iterable[int], refused: Mapping[int, str], now: float) -> None:
        """Let the points that the store has taken leave the quarantine, and note of the others (by id) why not."""
        batch = Batch(now, 0)
        ids = [(id_,) for id_ in taken]
        if ids:
            batch.counts["", "replayed"] += len(ids)
        with transaction(self._db, self._undo):
            self._db.executemany("DELETE FROM quarantine WHERE id = ?", ids)
            self._db.executemany(
                "UPDATE quarantine SET asked = 0, detail = ? WHERE id = ?",
                [(detail, id_) for id_, detail in refused.items()],
            )
            batch.write(self._db)

    def ask_for(self, reason: str, boards: Callable[[str], bool]) -> None:
        """Ask for what was refused with a reason, of the boards for which `boards` holds."""
        rows = self._db.execute("SELECT DISTINCT device FROM quarantine WHERE reason = ?", (reason,)).fetchall()
        for (device,) in rows:
            if device and boards(device):
                self.ask(device=device, reason=reason)

    def release(self, ids: Iterable[int]) -> int:
        """Remove these messages from the quarantine for good; return how many there were. They stay counted."""
        with transaction(self._db, self._undo):
            selected = "FROM quarantine WHERE id IN (SELECT value FROM json_each(?))"
            listed = encode(list(ids))
            self._db.execute(
                "INSERT INTO count SELECT ifnull(device, ''), 'released', count(*), max(received) "
                f"{selected} GROUP BY 1 ON CONFLICT (device, reason) DO UPDATE "
                "SET messages = messages + excluded.messages, last = max(last, excluded.last)",
                (listed,),
            )
            return self._db.execute(f"DELETE {selected}", (listed,)).rowcount

    def keep(self, quarantined: int, size: int = 2**62) -> None:
        """Remove the oldest foreign messages from the quarantine where there are more than these, or more bytes.

        They stay counted. What is authentic stays until somebody lets it go (`release`): its board was told to forget.
        A little more than is needed goes at once, so that a flood does not make this work with every commit.
        """
        if self._foreign is not None and self._foreign[0] <= quarantined and self._foreign[1] <= size:
            return
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if self._foreign is None or version != self._version:
            count, total = self._db.execute(
                f"SELECT count(*), ifnull(sum({_SIZE}), 0) FROM quarantine WHERE authentic = 0"  # noqa: S608
            ).fetchone()
            self._foreign, self._version = (count, total), version
        count, total = self._foreign
        if count <= quarantined and total <= size:
            return
        last = 0
        for id_, bytes_ in self._db.execute(
            f"SELECT id, {_SIZE} FROM quarantine WHERE authentic = 0 ORDER BY id"  # noqa: S608
        ):
            if count <= quarantined - quarantined // 20 and total <= size - size // 20:
                break
            last, count, total = id_, count - 1, total - bytes_
        self._db.execute("DELETE FROM quarantine WHERE authentic = 0 AND id <= ?", (last,))
        self._foreign = count, total

    def prune(self, before: float, done: int, share: float = math.inf, most: int = 2000) -> int:
        """Remove messages received before `before` (Unix s) whose offset every consumer has done (`done` at most).

        `share`: and at most so many s of the log, from its beginning.

        Returns:
            How many were removed, at most `most` at once. The newest always stays: offsets count on from it.
        """
        oldest = self._db.execute("SELECT offset, received FROM message ORDER BY offset LIMIT ?", (most,)).fetchall()
        before = min(before, oldest[0][1] + share) if oldest else before
        end = self.end()
        done = min(done, end - 1)
        last = max((offset for offset, received in oldest if received < before and offset <= done), default=None)
        if last is None:
            return 0
        with transaction(self._db, self._undo):
            if self._streams.checkpoint(end) < last:
                self._streams.checkpoint(end, least=1)
            self._note_pruned(last)
            return self._db.execute("DELETE FROM message WHERE offset <= ?", (last,)).rowcount

    def checkpoint(self) -> None:
        """Write what the next start would otherwise have to find out from the newest messages."""
        with transaction(self._db, self._undo):
            self._streams.checkpoint(self.end(), least=1)

    def spare(self) -> int:
        """Return how many bytes of the file are free to be used again."""
        free, size = (self._db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("freelist_count", "page_size"))
        return int(free * size)

    def count(self, reason: str, messages: Mapping[str, int], now: float) -> None:
        """Count messages by board ("": not of a registered one) that were not kept, for a reason of the table `count`.

        Raises:
            sqlite3.Error: nothing was counted.
        """
        with transaction(self._db, self._undo):
            add_counts(self._db, {(device, reason): n for device, n in messages.items()}, now)

    def heard(self, since: float) -> int:
        """Return from how many boards records have come since `since` (Unix s), as far as this process has heard."""
        return self._streams.heard(since)

    def position(self, consumer: str) -> int:
        """Return the offset up to which a consumer is done."""
        row = self._db.execute("SELECT offset FROM position WHERE consumer = ?", (consumer,)).fetchone()
        return row[0] if row else 0

    def save_position(self, consumer: str, offset: int) -> None:
        """Remember that a consumer is done up to `offset`."""
        self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (consumer, offset))

    def _undo(self) -> None:
        """Let go of what is in memory: it is ahead of what is on the medium."""
        self._streams.forget()
        self._foreign = None

    def _begin(self, now: float) -> Batch:
        self._streams.now = now
        self._streams.recover()
        return Batch(now, self.end())

    def _take(self, outcome: Admitted | Refused, batch: Batch, *, again: bool = False) -> bool:
        """Take a message; tell whether it was admitted, or is a repeat of what was.

        `again`: it stands in the quarantine already, and stays there where it is not.
        """
        try:
            if isinstance(outcome, Refused):
                self._take_refused(outcome, batch)
                return False
            message = outcome.message
            if isinstance(message, _STATED) and (identity := outcome.identity or _identity(outcome)):
                return self._take_stated(outcome, message, identity, batch)
            if not isinstance(message, Telemetry):
                return self._take_other(outcome, message, batch, again=again)
            stream = self._streams.find(outcome.device, message.stream)
            records, now = message.records, batch.now
            first, after = message.seq, message.seq + len(records)
            if now - stream.heard > self._recent:
                self._hear(stream, message.oldest, batch)
            stream.heard = now
            batch.hear(stream, outcome)
            fresh = self._streams.add(stream, first, after)
            if stream.doubt:
                self._show_again(stream, first, after, message.oldest, batch)
            if not fresh or fresh[0] != (first, after):
                return self._take_repeated(outcome, message, stream, fresh, batch, again=again)
            complete = stream.complete
            # After the records: the board may have dropped these very ones since it read them for sending.
            if message.oldest > complete + 1:
                self._give_up(stream, 1, message.oldest, "", batch)
                complete = stream.complete
            batch.counts["", "accepted"] += 1
            fresh = self._set_apart(outcome, fresh, stream, batch)
            stream.tail = batch.message(outcome, fresh, stream.tail, settled=complete >= after - 1)
            latest = records[0].t if after == first + 1 else max(record.t for record in records)
            stream.newest = max(stream.newest, latest)
        except TooManyHolesError:
            if not again:
                detail = "its stream has more holes than any board makes; it is taken when they are filled"
                batch.quarantine(_strange(outcome, "holes", detail), [])
            return False
        return True

    def _take_repeated(
        self,
        outcome: Admitted,
        message: Telemetry,
        stream: Stream,
        fresh: list[tuple[int, int]],
        batch: Batch,
        *,
        again: bool,
    ) -> bool:
        """Take records of which some numbers were done with already: repeats, or others under the same numbers."""
        first, after = message.seq, message.seq + len(message.records)
        self._give_up(stream, 1, message.oldest, "", batch)
        complete = stream.complete
        earlier = min(complete, fresh[0][0] - 1) if fresh else complete
        found = compare(message, without(first, after, fresh), stream, self._chain(stream, batch))
        if fresh:
            self._keep(outcome, fresh, batch)
        if outcome.apart and (away := {first + index for index in outcome.apart.indices}.intersection(found.unknown)):
            # The log never has these: they stand in the quarantine, maybe in another message, and now in this one, too.
            found = Compared(found.same, found.other, [n for n in found.unknown if n not in away])
            if not again:
                batch.quarantine(_strange(outcome, outcome.apart.reason, outcome.apart.detail), [], counted=False)
        found, branched = self._branch_off(outcome, message, stream, found, earlier, batch)
        for branch in stream.branches:
            if message.oldest <= branch.complete + 1:  # from whoever sends the branch: these it has shown
                self._show(branch, first, after, batch)
        strange = found.unknown + found.other
        if strange and not again:
            batch.quarantine(_strange(outcome, *_why_strange(found)), [], counted=not fresh and not branched)
        if branched:
            batch.counts[outcome.device, "other_content"] += 1
        elif fresh or not strange:
            batch.counts["", "accepted" if fresh else "duplicate"] += 1
            if not fresh:
                batch.counts[outcome.device, AGAIN] += 1
        return not strange

    def _branch_off(
        self, outcome: Admitted, message: Telemetry, stream: Stream, found: Compared, earlier: int, batch: Batch
    ) -> tuple[Compared, bool]:
        """Put other content under known numbers into branches of the stream: there it counts like any.

        `earlier`: the number up to which the stream was complete. Until the branch has come so far, too, its board is
        told to forget no more than what it has shown.

        Returns:
            What is left: unknown, or other content even for the last branch; and whether any was put into one.
        """
        unknown, branched = found.unknown, False
        for number in range(1, MOST_BRANCHES + 1):
            if not found.other:
                break
            branch = self._streams.branch(stream, number)
            opened = not branch.ranges
            new: list[tuple[int, int]] = []
            with suppress(TooManyHolesError):
                for span in spans(found.other):
                    new += self._streams.add(branch, *span)
            rest = [n for n in found.other if not any(begin <= n < end for begin, end in new)]
            found = compare(message, rest, branch, self._chain(branch, batch))
            if new:
                self._keep(outcome, new, batch, number)
                branched = True
            if new or found.same:
                self._advance(branch, message, batch, opened=opened)
                branch.until = earlier
            unknown = unknown + found.unknown
        return Compared([], found.other, sorted(unknown)), branched

    def _advance(self, branch: Stream, message: Telemetry, batch: Batch, *, opened: bool) -> None:
        """Note how far the board that sends a branch is, by a message of its own."""
        self._streams.add(branch, message.seq, message.seq + len(message.records))
        if opened:
            # What it holds from there on it has yet to show, and be it what the stream has: it sends it all again.
            self._streams.add(branch, 1, message.oldest)
        else:
            self._give_up(branch, 1, message.oldest, "", batch)
        branch.heard = batch.now
        batch.untold.add(branch)

    def _hear(self, stream: Stream, oldest: int, batch: Batch) -> None:
        """Take notice of a board after a pause; `oldest`: the lowest number that it says it still holds.

        It may be another one since, restored from a backup: what the hub has under its numbers need not be what it
        holds there. So it is told to forget no more than it has shown since, until it has shown all that the hub has.
        A board that heard its acknowledgements holds nothing of that, and nothing is in doubt.
        """
        if not stream.heard and stream.tail:  # this process hears it for the first time
            row = self._db.execute("SELECT received FROM message WHERE offset = ?", (stream.tail,)).fetchone()
            if row and batch.now - row[0] <= self._recent:
                return
        top = stream.top
        if stream.doubt:
            stream.doubt.until = 0
            batch.untold.add(stream.doubt)
        stream.doubt = None
        if oldest <= top:
            shown = [(1, oldest)] if oldest > 1 else []
            stream.doubt = Stream(stream.device, f"{stream.name}{DOUBT}", shown, until=top)
            batch.untold.add(stream.doubt)

    def _show_again(self, stream: Stream, first: int, after: int, oldest: int, batch: Batch) -> None:
        """Note what a board has shown that was in doubt."""
        doubt = stream.doubt
        assert doubt is not None
        with suppress(TooManyHolesError):
            doubt.add(first, after)
        doubt.add(1, oldest)
        batch.untold.add(doubt)
        if doubt.complete >= doubt.until:
            stream.doubt = None

    def _keep(
        self, outcome: Admitted, fresh: list[tuple[int, int]], batch: Batch, branch: int = 0, *, again: bool = False
    ) -> bool:
        """Put records into the log, as a stream's or its branch's newest message; tell whether any count here.

        `again`: they come from the quarantine, and are counted there.
        """
        message = outcome.message
        assert isinstance(message, Telemetry)
        stream = self._streams.find(outcome.device, message.stream)
        if branch:
            stream = self._streams.branch(stream, branch)
        fresh = self._set_apart(outcome, fresh, stream, batch, counted=not again)
        if not fresh:
            return False
        settled = stream.complete >= fresh[-1][1] - 1
        offset = batch.message(outcome, fresh, stream.tail, branch or None, settled=settled)
        self._streams.chain(stream, offset, max(record.t for record in message.records))
        return True

    def _set_apart(
        self,
        outcome: Admitted,
        fresh: list[tuple[int, int]],
        stream: Stream,
        batch: Batch,
        *,
        counted: bool = True,
    ) -> list[tuple[int, int]]:
        """Put into quarantine what of the record numbers does not count here; return those that do."""
        apart = outcome.apart
        if apart is None:
            return fresh
        first = outcome.message.seq if isinstance(outcome.message, Telemetry) else 0
        numbers = {first + index for index in apart.indices}
        away = [n for begin, after in fresh for n in range(begin, after) if n in numbers]
        here = [n for begin, after in fresh for n in range(begin, after) if n not in numbers]
        if away:
            batch.untold.add(stream)
            batch.quarantine(_strange(outcome, apart.reason, apart.detail), spans(away), counted=counted)
        return spans(here)

    def _chain(self, stream: Stream, batch: Batch) -> Iterator[Link]:
        """Go through a stream's messages, the newest first, as far as its board has not used that up in this commit."""
        offset, walked = stream.tail, batch.walked
        while offset and walked[stream.device] < MOST_WALKED:
            walked[stream.device] += 1
            row = batch.there(offset)
            if row is None:
                sql = "SELECT payload, fresh, before, branch FROM message WHERE offset = ?"
                row = self._db.execute(sql, (offset,)).fetchone()
            if row is None:
                return  # pruned
            yield Link(row[0], row[1], row[3] == EARLIER)
            offset = row[2]

    def _take_refused(self, outcome: Refused, batch: Batch) -> None:
        fresh: list[tuple[int, int]] = []
        said = outcome.outline
        if said.span and outcome.device:
            name, first, count = said.span
            stream = self._streams.find(outcome.device, name)
            if batch.now - stream.heard > self._recent:
                self._hear(stream, said.oldest or first, batch)
            stream.heard = batch.now
            with suppress(TooManyHolesError):
                fresh = self._streams.add(stream, first, first + count)
                batch.heard.add(stream)
                if stream.doubt:
                    self._show_again(stream, first, first + count, said.oldest, batch)
                stream.newest = max(stream.newest, outcome.latest)
                batch.untold.add(stream)
                for branch in stream.branches:
                    self._show(branch, first, first + count, batch)
            batch.say_where(stream, outcome)
        elif said.answer and outcome.device:
            nowhere = Stream(outcome.device, said.answer[0], [])
            batch.answers[nowhere] = said.answer[1]
            batch.say_where(nowhere, outcome)
        elif outcome.event and outcome.device:
            batch.events.append((outcome.device, outcome.event, outcome.topic))
        batch.quarantine(outcome, fresh)

    def _take_other(self, outcome: Admitted, message: object, batch: Batch, *, again: bool) -> bool:
        """Take a status, an event or a reply; tell whether it was admitted, or is a repeat of what was."""
        dated = isinstance(message, Status) and message.t > 0
        digest = None if isinstance(message, Status | Event | Reply) and not dated else digest_of(outcome)
        number = message.number if isinstance(message, Event) else 0
        if number:
            batch.events.append((outcome.device, number, outcome.topic))
        digests = [digest_of(outcome, topic) for topic in (outcome.topic, *outcome.also)] if digest else []
        if any(self._was_taken(one, batch) for one in digests) or (
            isinstance(message, Status | Event | Reply) and self._was_said(outcome, batch)
        ):
            batch.counts["", "duplicate"] += 1
            return True
        if isinstance(message, Status) and self._was_pruned(outcome.device, message):
            if not again:
                detail = f"status: t = {message.t}: the hub had later ones of this board and has pruned them"
                batch.quarantine(_strange(outcome, "not_compared", detail), [])
            return False
        if number and not self._count_event(outcome.device, number, batch):
            if not again:
                detail = (
                    f"event {number}: the hub is done with this number, and what it had under it is another, or pruned"
                )
                batch.quarantine(_strange(outcome, "not_compared", detail), [])
            return False
        if isinstance(message, Event) and message.dropped:
            self._take_dropped(outcome.device, message, batch)
        batch.counts["", "accepted"] += 1
        if isinstance(message, Measured):
            batch.records += len(message.records)
        batch.message(outcome, [], 0, settled=True, digest=digest)
        return True

    def _take_stated(
        self, outcome: Admitted, message: Measured | Observed, identity: tuple[bytes, bytes], batch: Batch
    ) -> bool:
        """Take a message that is known by what it is about: what says the same again is a repeat.

        Of what is said of one time again, the first counts. What comes later is kept beside it as set by hand (S): a
        source that changes its word must not be able to change a verdict unseen.
        """
        # A source that has moved may say it again under the topic of its new place.
        about = batch.about(outcome.topic, identity[0])
        abouts = [about, *[batch.about(topic, identity[0]) for topic in outcome.also]]
        says = identity[1][: len(about)]
        self._look_for(abouts, batch)
        rows = [row for one in abouts for row in batch.known[one]]
        if any(one + says in batch.taken for one in abouts) or any(row[0].endswith(says) for row in rows):
            batch.counts["", "duplicate"] += 1
            return True
        digest = about + says
        batch.taken.add(digest)
        reason, branch = "accepted", None
        if isinstance(message, Measured):
            earlier = [said for one in abouts for said in batch.stated.get(one, ())]
            if rows:
                decode = channel(outcome.topic)[0].decoders[outcome.kind]
                earlier += [said for _, payload in rows if isinstance(said := decode(payload), Measured)]
            batch.stated.setdefault(about, []).append(message)
            batch.records += len(message.records)
            for one in earlier:
                again, differs = _stated_again(one, message)
                outcome = msgspec.structs.replace(outcome, findings=[*outcome.findings, *again])
                reason = "other_content" if differs else reason
            branch = len(earlier) or None
        batch.counts[outcome.device if reason == "other_content" else "", reason] += 1
        batch.message(outcome, [], 0, branch, settled=True, digest=digest)
        return True

    def _look_up(self, outcomes: Iterable[Admitted | Refused], batch: Batch) -> None:
        """Find what the log has already of what these are about: at once, which takes a quarter of one by one."""
        named = (one for one in outcomes if isinstance(one, Admitted))
        self._look_for([batch.about(one.topic, one.identity[0]) for one in named if one.identity], batch)

    def _look_for(self, abouts: Sequence[bytes], batch: Batch) -> None:
        """Find the messages that are about these (`digest_parts`); remember, too, that there are none."""
        known = batch.known
        new = [one for one in dict.fromkeys(abouts) if one not in known]
        if new:
            known.update((one, []) for one in new)
            size = len(new[0])
            bounds = b"".join(new), b"".join([one + ABOVE for one in new]), encode([0] * len(new))
            for digest, payload in self._db.execute(_ABOUT, bounds):
                known[digest[:size]].append((digest, payload))

    def _take_dropped(self, device: str, message: Event, batch: Batch) -> None:
        """Take what a board says of records that it had to give up."""
        assert message.dropped
        name, begin, last, reason = message.dropped
        stream = self._streams.find(device, name)
        if batch.now - stream.heard > self._recent:
            self._hear(stream, begin, batch)
        stream.heard = batch.now
        batch.heard.add(stream)
        new = self._give_up(stream, begin, last + 1, reason, batch)
        if stream.doubt:
            self._show_again(stream, begin, last + 1, 0, batch)
        if new:  # records that may be on their way were not made later than now
            stream.newest = max(stream.newest, message.t, int(batch.now) + MOST_AHEAD)
        for branch in stream.branches:
            with suppress(TooManyHolesError):
                self._give_up(branch, begin, last + 1, reason, batch)
        batch.reasons.append((reason, device, name, begin, last))

    def _count_event(self, device: str, number: int, batch: Batch) -> bool:
        """Mark the number of an event as done; tell whether it was not."""
        name, place = place_of_event(number)
        stream = self._streams.find(device, name)
        if not self._streams.add(stream, place, place + 1):
            return False
        batch.untold.add(stream)
        return True

    def _give_up(self, stream: Stream, first: int, after: int, reason: str, batch: Batch) -> list[tuple[int, int]]:
        """Mark records as done that will never come; return the ranges of those that were not."""
        given_up = self._streams.add(stream, first, after)
        for begin, end in given_up:
            batch.gaps.append((stream.device, stream.name, begin, end - 1, reason, batch.now))
            batch.untold.add(stream)
        return given_up

    def _show(self, branch: Stream, first: int, after: int, batch: Batch) -> None:
        """Note that whoever sends a branch has no need to send these."""
        with suppress(TooManyHolesError):
            if self._streams.add(branch, first, after):
                batch.untold.add(branch)

    def _was_taken(self, digest: bytes, batch: Batch) -> bool:
        """Tell whether a message of a channel without numbers is in the log already."""
        if digest in batch.taken:
            return True
        batch.taken.add(digest)
        return self._db.execute("SELECT 1 FROM message WHERE digest = ?", (digest,)).fetchone() is not None

    def _was_said(self, outcome: Admitted, batch: Batch) -> bool:
        """Tell whether an event, reply or status is in the log already: the broker hands it out again.

        Of statuses, one an hour, only the newest are looked at: those without a time, and those that an earlier version
        took, are not known by their digest.
        """
        return any(self._was_said_under(topic, outcome, batch) for topic in (outcome.topic, *outcome.also))

    def _was_said_under(self, topic: str, outcome: Admitted, batch: Batch) -> bool:
        # What a board says again after its key was rotated has another MAC.
        said = signed_part(outcome.payload)
        if (topic, said) in batch.said:
            return True
        batch.said.add((topic, said))
        if outcome.kind == "status":
            rows = self._db.execute(
                "SELECT payload FROM message WHERE topic = ? AND fresh IS NULL ORDER BY offset DESC LIMIT ?",
                (topic, STATUSES),
            )
            return (outcome.payload,) in rows.fetchall()
        row = self._db.execute(
            "SELECT 1 FROM message WHERE topic = ? AND fresh IS NULL AND substr(payload, 1, ?) = ?",
            (topic, len(said), said),
        )
        return row.fetchone() is not None

    def _was_pruned(self, device: str, status: Status) -> bool:
        """Tell whether a status that the log does not show may be one that was pruned.

        A last will has the time of its connection, which may have lasted for months: wills are held against wills.
        """
        row = self._db.execute(
            "SELECT t FROM pruned_status WHERE device = ? AND online = ?", (device, status.online)
        ).fetchone()
        return row is not None and 0 < status.t <= row[0]

    def _note_pruned(self, last: int) -> None:
        """Note how late the statuses are that are about to be pruned, up to the offset `last`."""
        rows = self._db.execute(
            "SELECT received, topic, payload FROM message WHERE offset <= ? AND fresh IS NULL AND topic LIKE ?",
            (last, PREFIX + "%/status"),
        ).fetchall()
        for received, topic, payload in rows:
            place = parse(topic)
            with suppress(msgspec.DecodeError):
                status = DECODERS["status"].decode(payload)
                # One of the future must not keep all that follow from being heard.
                if place and isinstance(status, Status) and 0 < status.t <= received + MOST_AHEAD:
                    self._db.execute(
                        "INSERT INTO pruned_status VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET t = max(t, excluded.t)",
                        (place.device, status.online, status.t),
                    )

    def _write(self, batch: Batch) -> None:
        batch.write(self._db)
        self._streams.write(batch.untold)
        self._streams.checkpoint(batch.end())
        self._streams.trim()
        if self._foreign is not None:
            self._foreign = self._foreign[0] + batch.foreign, self._foreign[1] + batch.foreign_bytes

    def _committed(self, batch: Batch) -> Committed:
        complete = dict(batch.answers)
        for stream in batch.heard:
            number = stream.complete
            if stream.doubt:
                number = min(number, stream.doubt.complete)
            for branch in stream.branches:
                if branch.complete < branch.until and batch.now - branch.heard < self._quiet:
                    number = min(number, branch.complete)
            if number:
                complete[stream] = number
        return Committed(complete, batch.records, batch.by_reason(), batch.elsewhere, batch.events)


def _identity(outcome: Admitted) -> tuple[bytes, bytes] | None:
    """Return by what a message is known, where its channel knows messages by what they are about."""
    identity = channel(outcome.topic)[0].identity
    return identity(outcome.payload) if identity else None


def _strange(outcome: Admitted | Refused, reason: str, detail: str) -> Refused:
    return Refused(outcome.topic, outcome.payload, outcome.device, reason, detail, authentic=True)


def _stated_again(earlier: Measured, later: Measured) -> tuple[list[tuple[int, str, str]], bool]:
    """Return what of a message was said before, as findings, and whether it was said otherwise."""
    before = {(r.t, r.dt, key): r.v.get(key) for r in earlier.records for key in {*r.v, *r.f}}
    again, differs = [], False
    for index, record in enumerate(later.records):
        for key in {*record.v, *record.f}:
            place = record.t, record.dt, key
            if place in before:
                again.append((index, key, "S"))
                differs = differs or before[place] != record.v.get(key)
    return again, differs


def _why_strange(found: Compared) -> tuple[str, str]:
    which = ", ".join(f"{first} to {after - 1}" for first, after in spans(sorted(found.other + found.unknown)))
    if found.other:
        return "other_content", f"records {which}: yet other content under numbers of which the hub has several already"
    return "not_compared", (
        f"records {which}: the hub is done with these numbers, and what it had under them is refused, given up, pruned "
        "or too far back to be compared"
    )
