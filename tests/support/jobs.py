"""A kind of job for tests of what all kinds have in common: it counts, three a chunk, and trips where it is told to."""

from populace.bulk.kinds import JobRefused, Kind
from populace.bulk.models import Job

CHUNK = 3


class Tripped(Exception):
    """As if the process had died."""


def count(running):
    """Count to `until`; `trip` raises within the chunk of that number, `bad` numbers are bad rows."""
    at, until = running.position.get("at", 0), running.options["until"]
    while at < until:
        with running.chunk() as chunk:
            end = min(at + CHUNK, until)
            for number in range(at + 1, end + 1):
                if number in running.options.get("bad", ()):
                    chunk.bad.append((number, "invalid", "An odd one.", {"number": number}))
                if number == running.options.get("trip"):
                    raise Tripped
            chunk.done, chunk.total, chunk.position = end - at, until, {"at": end}
        at = end
    if running.options.get("file"):
        path = running.folder / "made"
        path.write_text("".join(f"{number}\n" for number in range(until)))
        running.finish_file(path, filename="numbers.csv", content_type="text/csv", rows=until)
    if running.options.get("refuse"):
        raise JobRefused("refused", "For no reason.")
    return {"counted": at}


COUNTING = Kind(run=count, permission="users:write")


def counting(**options):
    """Return a job of it, not stored."""
    return Job(kind="count", options=options)
