"""What schemathesis is told beside the schema; it reads this by SCHEMATHESIS_HOOKS.

A key belongs to one call: with one for all, nearly every answer would be 422. An empty If-Match, which it likes, would
make nearly every other one 412. And the caller stays who they are: a token that revoked itself hears 401 ever after.
"""

import os
import re
from uuid import uuid4

import schemathesis

SPARED = set(os.environ["SPARED_IDS"].split())


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.headers and re.fullmatch("[ -~]{1,255}", str(case.headers.get("Idempotency-Key", ""))):
        case.headers["Idempotency-Key"] = str(uuid4())
    if case.headers and case.headers.get("If-Match") == "":
        del case.headers["If-Match"]
    if case.method != "GET" and case.path_parameters and case.path_parameters.get("id") in SPARED:
        case.path_parameters["id"] = str(uuid4())
