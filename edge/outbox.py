"""Keeps every record in flash until the hub has it.

What it promises: a record whose `append` has returned survives a reset or a power cut at any moment, and leaves only
when the hub has acknowledged it or when the outbox is full, oldest first and counted. What it does not promise: that a
record is sent only once (after a restart it sends again what its oldest segment holds; the hub drops what it has).

A segment is a file `{stream}-{number of its first record}.seg` of lines `{number} {CRC-32 of the rest} {record}`. Files
are only ever appended to, and deleted whole. After a reset the next record opens a new segment, so that a line torn by
the power cut is never written behind.

A number is never given twice. An outbox that was brought back from a backup, or copied to another chip, does not know
which numbers were given since: what is made from then on gets a stream of its own, and what still waits in the older
one is sent under its own numbers. edge/stream.py says which stream that is.
"""

import os
from binascii import crc32, hexlify

# MicroPython has none: there flush() writes through to the medium.
fsync = getattr(os, "fsync", lambda _file: None)

SEGMENT = ".seg"
KEPT = ".old"


def line(seq, record):
    """Return the line of a segment that holds `record` (bytes) under number `seq`."""
    head = b"%d " % seq
    return head + b"%08x " % crc32(record, crc32(head)) + record + b"\n"


def parse(text):
    """Return `(seq, record)` of a segment's line, or None if it is torn or damaged."""
    parts = text.rstrip(b"\n").split(b" ", 2)
    if len(parts) != 3 or not text.endswith(b"\n"):
        return None
    try:
        seq = int(parts[0])
    except ValueError:
        return None
    return (seq, parts[2]) if line(seq, parts[2]) == text else None


def segments(folder, suffix=SEGMENT):
    """Return `[(first number, stream, path), ...]` of the segments in a folder, in order."""
    found = []
    for name in os.listdir(folder):
        if name.endswith(suffix):
            try:
                stream, first = name[: -len(suffix)].split("-")
                found.append((int(first), stream, folder + "/" + name))
            except ValueError:
                pass  # somebody else's: it must not keep the board from starting
    return sorted(found)


def draw():
    """Return the name of a new stream."""
    return hexlify(os.urandom(4)).decode()


class Outbox:
    """The board's records, numbered from 1 in a stream of their own.

    `folder` must exist. A segment holds `segment_records`; above `max_bytes` in all, the oldest segment is given up.
    With `keep`, acknowledged segments are renamed to *.old instead of deleted, to compare what was made with what
    arrived. `stream`: whose records are made, the others' in the folder only wait to be sent, as `elders`, in the same
    `max_bytes`; without it, that of the segments there. `ended`: it is an elder, to which nothing is added.

    `stream`: 8 hexadecimal digits. `next`: number of the next record. `oldest`: lowest number still held (`next` when
    empty). `cursor`: number of the record that `read` gives next. `last`: the last record found at the start, or None.
    `dropped`: records given up since the start.
    """

    def __init__(self, folder, segment_records=128, max_bytes=512 * 1024, keep=False, stream=None, ended=False):
        self._folder = folder
        self._segment_records = segment_records
        self.max_bytes = max_bytes
        self._keep = keep
        self._file = None
        self._losses = []
        self._lost = 0  # the highest number ever lost: read again after a rewind, it is told again and counted once
        self.dropped = 0
        found = segments(folder)
        self.stream = stream or (found[-1][1] if found else draw())
        # Each segment: [number of its first record, path, bytes]
        self._segments = [[first, path, os.stat(path)[6]] for first, name, path in found if name == self.stream]
        self._ended = ended
        self.last = None
        self.next = 1
        for i in range(len(self._segments) - 1, -1, -1):
            following = self._recover(*self._segments[i][:2])
            self.next = max(self.next, following)
            if self.last:
                break
        self.oldest = self._segments[0][0] if self._segments else 1
        self.elders = []
        if ended:
            self._clear()
        else:
            self._open_segment()
            for elder in sorted({name for _, name, _ in found if stream and name != stream}):
                box = Outbox(folder, segment_records, max_bytes, keep, elder, True)
                if box.oldest < box.next:
                    self.elders.append(box)
        self.rewind()

    def append(self, record):
        """Keep `record` (bytes without a newline); return its number once it is on the medium.

        Returns None when the medium refuses it even after the oldest segment was given up; it is counted as dropped.
        """
        text = line(self.next, record)
        try:
            self._write(text)
        except OSError:
            # Part of the line may stand in this segment, so the second attempt needs another one.
            try:
                self._open_segment()
                self._make_room("medium")
                self._write(text)
            except OSError:
                self.dropped += 1
                return None
        self.next += 1
        if self.next - self._segments[-1][0] >= self._segment_records:
            self._open_segment()
        while self.size() + sum([elder.size() for elder in self.elders]) > self.max_bytes:
            if not self._make_room("overflow"):
                break
        return self.next - 1

    def size(self):
        """Return the bytes of its segments."""
        return sum([segment[2] for segment in self._segments])

    def read(self, most_records, most_bytes):
        """Return `(seq, records)`: the next records to send, consecutive; `seq` is the number of the first.

        The list is empty when everything was read; `rewind` starts again with the oldest.
        """
        records = []
        size = 0
        while not records and self.cursor < self.next:
            path, end = self._segment_of(self.cursor)
            if path != self._path:
                self._path, self._offset = path, 0
            with open(path, "rb") as file:
                file.seek(self._offset)
                for text in file:
                    entry = parse(text)
                    if entry and entry[0] >= self.cursor:
                        seq, record = entry
                        full = len(records) >= most_records or size + len(record) > most_bytes
                        if records and (full or seq > self.cursor):
                            break
                        if seq > self.cursor:
                            self._lose(self.cursor, seq - 1, "damaged")
                        records.append(record)
                        size += len(record)
                        self.cursor = seq + 1
                    self._offset += len(text)
            if not records:
                self._lose(self.cursor, end - 1, "damaged")
                self.cursor = end
        return self.cursor - len(records), records

    def unread(self, count):
        """Go back by the last `count` records of what `read` gave: they are read again."""
        if count:
            self.cursor -= count
            self._path, self._offset = "", 0

    def rewind(self):
        """Begin again with the oldest record: what was sent and not acknowledged is sent again."""
        self.cursor = self.oldest
        self._path, self._offset = "", 0

    def acknowledge(self, stream, seq):
        """Forget every record of `stream` up to `seq`. Another stream, or a number never made, is ignored."""
        if stream != self.stream or not self.oldest <= seq < self.next:
            return
        self.oldest = seq + 1
        if self.cursor < self.oldest:
            self.rewind()
        while len(self._segments) > 1 and self._segments[1][0] <= self.oldest:
            self._delete(self._segments.pop(0)[1])
        if self._ended:
            self._clear()

    def losses(self):
        """Return `[(from, to, reason), ...]`: the records given up since the last call."""
        losses, self._losses = self._losses, []
        return losses

    def close(self):
        """Close the segment under way."""
        if self._file:
            self._file.close()

    def _recover(self, first, path):
        """Return the number after the last record in a segment, and remember that record.

        A torn last line was never promised, so its number is free. A whole line that is damaged may have been sent: its
        number is not used again.
        """
        following = first
        with open(path, "rb") as file:
            for text in file:
                entry = parse(text)
                if entry:
                    following = entry[0] + 1
                    self.last = entry[1]
                elif text.endswith(b"\n"):
                    following += 1
        return following

    def _segment_of(self, seq):
        end = self.next
        for first, path, _ in reversed(self._segments):
            if first <= seq:
                return path, end
            end = first
        raise ValueError(seq)

    def _open_segment(self):
        if self._file:
            self._file.close()
        if self._segments and self._segments[-1][0] == self.next:
            self._segments.pop()  # it holds no whole record: begin it anew
        path = "%s/%s-%010d%s" % (self._folder, self.stream, self.next, SEGMENT)
        self._file = open(path, "wb")  # noqa: SIM115 (open for as long as the segment grows)
        self._segments.append([self.next, path, 0])

    def _write(self, text):
        self._file.write(text)
        self._file.flush()
        fsync(self._file)
        self._segments[-1][2] += len(text)

    def _clear(self):
        """Delete an elder's last segment when nothing in it waits any more."""
        while self._segments and self.oldest >= self.next:
            self._delete(self._segments.pop(0)[1])

    def _make_room(self, reason):
        """Give up the oldest segment, an elder's first; return whether there was one."""
        for elder in self.elders:
            if elder.drop_oldest(reason):
                return True
        return self.drop_oldest(reason)

    def drop_oldest(self, reason):
        """Give up the oldest segment; return whether there was one. The one under way stays."""
        if len(self._segments) <= (0 if self._ended else 1):
            return False
        self._delete(self._segments.pop(0)[1])
        kept = self._segments[0][0] if self._segments else self.next
        if self.oldest < kept:
            self._lose(self.oldest, kept - 1, reason)
            self.oldest = kept
        if self.cursor < self.oldest:
            self.rewind()
        return True

    def _lose(self, first, last, reason):
        self.dropped += max(0, last - max(first - 1, self._lost))
        self._lost = max(self._lost, last)
        before = self._losses[-1] if self._losses else None
        if before and before[1] + 1 == first and before[2] == reason:
            self._losses[-1] = (before[0], last, reason)  # an outage of months is told in one piece
        else:
            self._losses.append((first, last, reason))

    def _delete(self, path):
        if self._keep:
            os.rename(path, path[: -len(SEGMENT)] + KEPT)
        else:
            os.remove(path)
