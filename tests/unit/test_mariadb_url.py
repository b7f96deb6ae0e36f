"""A mysql:// URL says what is known, or the start ends with one line."""

import pytest

from config import engines

URL = "mysql://an%40n:s%2Fcret@db.example:3307/people"


def test_a_url_becomes_settings():
    made = engines.database("DATABASE_URL", URL)
    assert (made["USER"], made["PASSWORD"], made["HOST"], made["PORT"], made["NAME"]) == (
        "an@n",
        "s/cret",
        "db.example",
        "3307",
        "people",
    )


def test_parameters_are_taken_as_what_they_are():
    made = engines.database("DATABASE_URL", f"{URL}?ssl_ca=/ca.pem&ssl_verify_identity=true&connect_timeout=3")
    options = made["OPTIONS"]
    assert (options["ssl_ca"], options["ssl_verify_identity"], options["connect_timeout"]) == ("/ca.pem", True, 3)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u@h/",
        f"{URL}?read_timeout=1",
        f"{URL}?init_command=DROP",
        f"{URL}?connect_timeout=0",
        f"{URL}?connect_timeout=x",
        f"{URL}?ssl_verify_identity=yes",
    ],
)
def test_anything_else_ends_the_start(url):
    """Guard: config/engines.py:_options."""
    with pytest.raises(SystemExit):
        engines.database("DATABASE_URL", url)
