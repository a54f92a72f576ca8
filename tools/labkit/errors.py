"""What can go wrong in the lab itself, as opposed to in the command it runs."""


class LabFailed(Exception):
    """The lab could not run the command, or lost it; the message is for the person who ran it."""


class TimeLimit(LabFailed):
    """The command ran longer than it was allowed to."""
