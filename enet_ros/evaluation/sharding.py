"""An evaluation cut into parts: in this process, in several, or on a Dask cluster.

Each part reads its own frames from the bag and gives back counts, not pixels. Merging adds integers, so
that the confusion matrix does not depend on how the work was cut.
"""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
import ctypes
from functools import lru_cache
import multiprocessing
import os
from pathlib import PurePath
import signal
import sys
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from ..bags.matching import Choice, frame_topic
from ..bags.reading import open_bag
from ..classes import ClassTable
from ..datasets.label_files import LabelWriter
from ..errors import InputError
from ..segmenter import Segmenter
from .examples import FrameScore
from .offline import Evaluation, evaluate_bag, provenance

MIN_FRAMES = 8      # fewer are not worth a part of their own
_PR_SET_PDEATHSIG = 1       # of Linux: the signal that comes when the parent is gone
CLUSTER_TIMEOUT = '20s'     # within which a scheduler answers


class Job(NamedTuple):
    """A part of an evaluation in plain types, ready to travel.

    `segmenter` are the arguments of `Segmenter.open` (empty where predictions are scored, which are then
    coded as the class table `predicted`); `options` go to `Evaluator`; `rows` keeps every frame's score;
    `labels` is a folder in which labels are kept.
    """

    choice: Choice
    segmenter: Tuple[Tuple[str, Any], ...] = ()
    predicted: Optional[str] = None
    options: Tuple[Tuple[str, Any], ...] = ()
    rows: bool = False
    labels: Optional[str] = None


class Part(NamedTuple):
    """What a job gives back."""

    evaluation: Evaluation
    rows: List[FrameScore]


def run(job: Job, on_frame: Optional[Callable[[FrameScore], None]] = None,
        watch: Optional[Callable[[Iterable[Any]], Iterable[Any]]] = None) -> Part:
    """Do a job here; `watch` may wrap the frames, to show progress; `on_frame` hears of each score."""
    segmenter = open_segmenter(job.segmenter) if job.segmenter else None
    predicted = ClassTable.load(job.predicted) if job.predicted else None
    rows: List[FrameScore] = []

    def each(row: FrameScore) -> None:
        if job.rows:
            rows.append(row)
        if on_frame is not None:
            on_frame(row)
    keep = LabelWriter(job.labels).write if job.labels else None
    outcome = evaluate_bag(job.choice, segmenter, predicted, watch=watch, on_frame=each, on_labels=keep,
                           **dict(job.options))
    outcome.provenance = provenance(segmenter)
    return Part(outcome, rows)


def attempt(job: Job) -> Union[Part, str]:
    """Do a job; return in one line why it cannot be done where that is so, and let the others go on."""
    try:
        return run(job)
    except InputError as error:
        return str(error)


@lru_cache(maxsize=1)
def open_segmenter(arguments: Tuple[Tuple[str, Any], ...]) -> Segmenter:
    """Open a segmenter once per process."""
    return Segmenter.open(**dict(arguments))


def cut(job: Job, parts: int) -> List[Job]:
    """Cut a job into at most `parts` of consecutive frames.

    A damaged bag stays whole: how many frames can be read of it is known only at the end.
    """
    with open_bag(job.choice.bag) as bag:
        count = -1 if bag.damaged else bag.topics[frame_topic(bag, job.choice)].count
    parts = min(parts, count // MIN_FRAMES)
    if parts < 2:
        return [job]
    edges = [count * part // parts for part in range(parts)]
    stops: List[Optional[int]] = [*edges[1:], None]
    return [job._replace(choice=job.choice._replace(start=start, stop=stop))
            for start, stop in zip(edges, stops)]


def run_in_processes(function: Callable[[Any], Any], jobs: Sequence[Any], workers: int) -> Iterator[Any]:
    """Yield function(job) from processes of their own, in order; InputError where one of them dies."""
    # Not forked: engines have threads. (Python 3.6 cannot.)
    options: Dict[str, Any] = {}
    if sys.version_info >= (3, 7):
        options = {'mp_context': multiprocessing.get_context('spawn'), 'initializer': _be_a_child,
                   'initargs': (os.getpid(),)}
    pool = ProcessPoolExecutor(workers, **options)
    died = InputError('a worker process died, out of memory perhaps: try a smaller --jobs')
    try:
        try:
            parts = pool.map(function, jobs)
        except (OSError, ValueError):   # a worker died between two jobs: the pool closed its pipes
            raise died from None
        for part in parts:
            yield part
    except BaseException as error:      # a worker that died, a part that failed, Ctrl-C
        # Nobody waits for the others: of a broken pool, one that had just been started would wait for ever.
        for child in multiprocessing.active_children():
            child.terminate()
        raise died if isinstance(error, BrokenProcessPool) else error
    finally:
        pool.shutdown()


def _be_a_child(parent: int) -> None:
    """End with the process `parent`, however that ends, and without a message on Ctrl-C: it prints one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (AttributeError, OSError):       # not Linux
        pass
    if os.getppid() != parent:      # it ended before the line above
        os._exit(1)


def run_on_cluster(jobs: Sequence[Job], scheduler: str) -> Iterator[Union[Part, str]]:
    """Do jobs, as `attempt` does, on the Dask cluster of a scheduler ('tcp://host:8786').

    Its workers see bags and weights. InputError where Dask is not installed or the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(f'--scheduler needs Dask (pip install distributed): {error}') from None
    try:
        client = Client(scheduler, timeout=CLUSTER_TIMEOUT)
    except (OSError, ValueError) as error:
        raise InputError(f'{scheduler}: no Dask scheduler answers: {error}') from None
    with client:
        for future in client.map(attempt, list(jobs), pure=False):
            yield future.result()


def distinguish(evaluations: Sequence[Tuple[str, Evaluation]]) -> None:
    """Keep apart what is to be merged: (origin, evaluation) pairs of several bags or earlier results.

    Drives of one name that come from different bags are named by their bags. InputError where two hold the
    same frame: it would count twice.
    """
    owners: Dict[str, str] = {}
    met: Dict[Tuple[str, str, Optional[float]], str] = {}
    for origin, evaluation in evaluations:
        bag, blocks = str(evaluation.provenance.get('bag') or origin), evaluation.evaluator.blocks.blocks
        for index, block in enumerate(blocks):
            key = (block.sequence, block.name, block.stamp)
            if block.name and met.setdefault(key, origin) != origin:
                raise InputError(f'{origin} and {met[key]} both hold frame {block.name} of {block.sequence}: '
                                 'it would count twice')
            if owners.setdefault(block.sequence, bag) != bag and block.sequence == PurePath(bag).name:
                blocks[index] = block._replace(sequence=bag)


def merge(evaluations: Iterable[Evaluation]) -> Evaluation:
    """Add up parts in their order; the provenance is the first one's. InputError where there are none."""
    total: Optional[Evaluation] = None
    for evaluation in evaluations:
        total = evaluation if total is None else total.merge(evaluation)
    if total is None:
        raise InputError('there is nothing to merge')
    return total
