"""What every tool shares: exit codes, arguments, a progress bar."""

import argparse
import functools
import os
from pathlib import Path
import shlex
import sys
import traceback
from typing import Any, Callable, Iterable, Iterator, List, Mapping, NoReturn, Optional, Tuple, TypeVar

from .errors import InputError, one_line
from .libraries import missing_line, need

T = TypeVar('T')
EXIT_GATE = 1           # done, and a requirement is not met
EXIT_INPUT = 2          # bad input, as argparse itself
EXIT_DEFECT = 70        # what no input should bring about; EX_SOFTWARE of sysexits.h
TRACEBACK = 'ENET_TRACEBACK'    # in the environment: a defect is shown with its traceback
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell

Main = Callable[[Optional[List[str]]], Optional[int]]


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults where there are any."""

    def _get_help_string(self, action: argparse.Action) -> Optional[str]:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """Raises InputError for what it cannot parse, and where a library is missing, before any work starts."""

    needs: Mapping[str, List[str]] = {}

    def error(self, message: str) -> NoReturn:
        """Raise InputError instead of printing the usage, which hides the reason, and exiting."""
        raise InputError(f'{message} (--help shows what there is)')

    def parse_args(self, *arguments: Any, **more: Any) -> Any:
        """Return the options; InputError where a library that they want is missing."""
        options = super().parse_args(*arguments, **more)
        need(self.prog.split()[-1], [name for option, names in self.needs.items() for name in names
                                     if not option or getattr(options, option, None)])
        return options


def parser(name: str, description: Optional[str], needs: Optional[Mapping[str, List[str]]] = None,
           **options: Any) -> argparse.ArgumentParser:
    """Return an argument parser that shows defaults and has ``--json FILE``.

    `needs` names the libraries (`enet_ros.libraries`) that the tool cannot do without, under '', and
    those that an option wants, under the option's name.
    """
    options.setdefault('formatter_class', _Help)
    made = _Parser(prog=f'enet_ros {name}', description=description, **options)
    made.needs = needs or {}
    made.add_argument('--json', metavar='FILE', type=Path, default=argparse.SUPPRESS,
                      help='write the result for machines')
    return made


def size(text: str) -> Tuple[int, int]:
    """Return HEIGHTxWIDTH as two numbers, multiples of 8, as every network here takes; for argparse."""
    height, _, width = text.lower().partition('x')
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write it as 360x480, height first")
    if int(height) % 8 or int(width) % 8 or not int(height) * int(width):
        raise argparse.ArgumentTypeError(f'{text}: height and width are multiples of 8')
    return int(height), int(width)


def number(kind: Callable[[str], Any], least: float, most: float = float('inf')) -> Callable[[str], Any]:
    """Return what reads an int or a float from `least` to `most`; for argparse."""
    def read(text: str) -> Any:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f'{text} is not {least:g} or more' if most == float('inf')
                                             else f'{text} is not from {least:g} to {most:g}')
        return value
    read.__name__ = kind.__name__       # argparse shows it where the text is no number
    return read


#: How many of something, and how often in a second; for argparse.
count, rate = number(int, 1), number(float, 1e-6, 1e6)


def command() -> str:
    """Return the command that this process runs, to be pasted into a shell."""
    name = os.path.basename(sys.argv[0])
    words = (['python', '-m', 'enet_ros'] if name == '__main__.py' else [name]) + sys.argv[1:]
    return ' '.join(shlex.quote(word) for word in words)


def guard(main: Main) -> Callable[..., int]:
    """Turn InputError and OSError into a line on stderr and exit code 2, Ctrl-C into 130, None into 0.

    Any other exception is a defect of this package: one line as well, and exit code 70.
    """
    @functools.wraps(main)
    def guarded(argv: Optional[List[str]] = None) -> int:
        try:
            return main(argv) or 0
        except InputError as error:
            print(f'error: {error}', file=sys.stderr)
            return EXIT_INPUT
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:     # see `__main__`
            raise
        except OSError as error:    # a name too long, a disk that is full, a folder that may not be read
            print(f'error: {_named(error)}', file=sys.stderr)
            return EXIT_INPUT
        except Exception as error:
            if os.environ.get(TRACEBACK) or missing_line('', error):    # the latter: __main__ says it
                raise
            print(f'error: {defect(error)}', file=sys.stderr)
            return EXIT_DEFECT
    return guarded


def defect(error: BaseException) -> str:
    """Say in one line what went wrong inside this package, where, and what to do about it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return one_line(f'a defect of enet_ros: {type(error).__name__} in {Path(place.filename).name}, line '
                    f'{place.lineno}: {one_line(str(error), 200)}; please report it with the command '
                    f'(SECURITY.md tells where); {TRACEBACK}=1 shows more')


def _named(error: OSError) -> str:
    """Say in one line which file the operating system refused, and why."""
    text = error.strerror or type(error).__name__
    return ' '.join((f'{error.filename}: {text}' if error.filename else text).split())


def progress(items: Iterable[T], description: str, total: Optional[int] = None,
             unit: str = 'frame') -> Iterator[T]:
    """Iterate with a progress bar on stderr: rate and time left; a line now and then without a terminal.

    The bar appears with the first item, so that an error before it stays a line of its own.
    """
    from tqdm import tqdm
    terminal = sys.stderr.isatty()
    yield from tqdm(items, desc=description, total=total, unit=unit, dynamic_ncols=True,
                    mininterval=0.1 if terminal else 10.0, disable=None if terminal else False)
