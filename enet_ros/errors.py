"""The one error that the package's users meet."""


class InputError(ValueError):
    """Bad input from outside: a file, a topic, a parameter, a message.

    Its text is one line that names the thing and says what to do about it. Tools print it and exit
    with code 2; nodes log it.
    """
