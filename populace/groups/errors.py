"""What a verb about groups and roles may refuse."""


class GroupNotFound(LookupError):
    """No group has this id (any more)."""


class NameTaken(Exception):
    """Another group has this name, in some spelling."""


class Cycle(Exception):
    """A group would be above itself."""


class TooManyMembers(Exception):
    """The group has more members than one transaction removes: close it."""
