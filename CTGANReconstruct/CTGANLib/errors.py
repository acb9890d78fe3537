"""The one exception that is meant for the person in front of the screen."""


class UserError(Exception):
    """Something the user can put right: one clear sentence and one piece of advice.

    The command line turns it into exit status 1 and an ``error`` event; the panels show it in a dialog.
    Messages name files and figures, never patients.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(f"{message} {advice}".strip())
        self.message = message
        self.advice = advice
