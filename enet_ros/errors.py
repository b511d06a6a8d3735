"""The error that the package raises for bad input."""

from typing import Iterable

_LONGEST = 1000     # characters of a message; the middle of a longer one is left out


class InputError(ValueError):
    """Bad input from outside: a file, a topic, a parameter, a message.

    Its text is one line that names the thing and says what to do about it. Tools print it and exit
    with code 2; nodes log it.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


def one_line(text: str, longest: int = _LONGEST) -> str:
    """Return text that a stranger may have chosen as one printable line of at most `longest` characters.

    White space becomes single spaces, control characters become '?', and '...' marks what is left out.
    """
    if len(text) > 2 * longest:     # first, so that the rest costs little
        text = f'{text[:longest]} ... {text[-longest:]}'
    text = ' '.join(text.split())
    text = ''.join(character if character.isprintable() else '?' for character in text)
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f'{text[:longest - tail - 5]} ... {text[-tail:]}'


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'camvid'?" where a known name is close to a mistyped one, else ''."""
    import difflib
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{close[0]}'?" if close else ''
