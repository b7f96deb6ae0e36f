"""Ask for an export, have a worker do it, and read the file."""

import csv
import io
import json

from populace.bulk import exports, running
from populace.bulk.models import Job
from tests.support.rounds import step

EXPORTS = "/api/v1/exports"


def exported(client, **body):
    """Ask for an export, have a worker do it; return the file's bytes."""
    response = client.post(EXPORTS, body)
    assert response.status_code == 202, response.content
    for _ in range(3):  # others may be due before it
        step()
    job = client.get(response["Location"]).json()
    assert job["state"] == "succeeded", job
    made = b"".join(client.get(job["result_url"]).streaming_content)
    assert (job["result"], job["progress"]["done"]) == ({"rows": job["progress"]["total"]}, job["progress"]["total"])
    return made


def asked(**body):
    """Return the job of an export that is asked for, not stored yet; JSON Lines unless said."""
    return Job(kind="export", options=exports.asked({"format": "jsonl"} | body))


def work(job, **options):
    """Do a job here, by nobody's task."""
    return running.work(job.id, **{"keep": lambda **_: None, "stopping": lambda: False} | options)


def lines(made):
    return [json.loads(line) for line in made.splitlines()]


def cells(made):
    return list(csv.DictReader(io.StringIO(made.decode()), strict=True))
