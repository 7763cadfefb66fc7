class UserError(Exception):
    """A mistake that the user can mend: its text is one line that says what to do; the verbs exit with 2."""
