"""The one exception that a user may see: a mistake that a message can mend."""


class CharrnnError(Exception):
    """A mistake in what the user gave: the command prints its message alone and ends with exit code 2.

    The message names the file, the key or the character, says what was expected and what to do.
    Anything else that is raised is a bug, and shows its traceback.
    """


class Diverged(CharrnnError):
    """A training whose loss or gradient is no longer finite; its last checkpoint is intact."""
