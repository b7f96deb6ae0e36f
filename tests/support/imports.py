"""What tests of imports have in common."""

from populace.bulk.imports import ImportResult


def numbers(result: ImportResult) -> dict:
    """Return the summary without what the file was taken for."""
    return {name: value for name, value in result.summary().items() if name != "recognised"}
