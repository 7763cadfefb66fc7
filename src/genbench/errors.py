class UserError(Exception):
    """A mistake that the user can mend: its text is one line that says what to do; the verbs exit with 2.

    What cannot be printed, such as the control characters of a mistyped word, is escaped.
    """

    def __init__(self, text: str) -> None:
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))
