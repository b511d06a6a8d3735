"""The frames of a bag with their truth, in the form that `evaluation.evaluate` scores."""

from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Union

from ..classes import ClassTable
from ..datasets import Dataset, open_dataset
from ..errors import InputError
from ..metrics.coverage import Coverage, Frame
from . import sidecar, topics
from .by_stamp import SEVERAL, Stamp, TopicByStamp, stamps_of
from .messages import ImageMessage
from .reading import Bag
from .single_pass import Shared
from .truth import FolderTruth, TopicTruth, alone, plan


class Choice(NamedTuple):
    """What of a bag is scored, in plain types so that it travels to other processes.

    Topics that are None are chosen by their names. `predictions` is a topic of labels to score instead of
    segmenting; `truth` is a topic, or `truth_folder` (with `split`) a data-set folder; `instances` is a topic
    with the numbers of the truth's objects, at its stamps. With `truth_ids` the truth's values are those of
    the data set's label files. `start` and `stop` select frames by their place in the bag; `pictures` reads
    images although predictions are scored. A truth topic is matched by equal stamps or, with `within_ms`, by
    the nearest stamp that is no further away.
    """

    bag: str
    image: Optional[str] = None
    predictions: Optional[str] = None
    truth: Optional[str] = None
    instances: Optional[str] = None
    truth_folder: Optional[str] = None
    split: Optional[str] = None
    truth_classes: Optional[str] = None
    truth_ids: bool = False
    sidecar: Optional[str] = None
    offset_s: float = 0.0
    pictures: bool = False
    within_ms: Optional[float] = None
    start: int = 0
    stop: Optional[int] = None


class Source:
    """A bag opened for scoring: its topics chosen, its truth found, its frames on demand."""

    def __init__(self, bag: Bag, choice: Choice) -> None:
        """Choose and check; InputError in one line for what does not fit."""
        self.bag, self.choice = bag, choice
        self.topic = frame_topic(bag, choice)
        self.entries = _sidecar(bag, choice)
        dataset = open_dataset(choice.truth_folder, choice.split) if choice.truth_folder else None
        roles = {'frames': self.topic}
        if dataset is None:
            roles['truth'] = bag.image_topic(choice.truth or topics.truth_topic(bag)).name
            self.true = topics.truth_classes(bag, roles['truth'], choice.truth_classes)
            instances = choice.instances or topics.instances_topic(bag)
            if instances is not None:
                roles['instances'] = bag.image_topic(instances).name
        else:
            self.true = ClassTable.load(choice.truth_classes) if choice.truth_classes else dataset.classes
        if choice.predictions and choice.pictures:
            roles['pictures'] = bag.image_topic(choice.image or topics.image_topic(bag)).name
        if len(set(roles.values())) < len(roles):
            raise InputError('{}: one topic cannot be two of {}'.format(bag.path, ', '.join(roles)))
        before = dict(bag.problems)
        stamps = {} if dataset is not None and self.entries else stamps_of(bag, list(roles.values()))
        # The second pass meets the same damage; the first one met all of it.
        self._damage, bag.problems = bag.problems, before
        shared = Shared(bag.messages, list(roles.values()))
        self._messages = {role: shared.stream(topic) for role, topic in roles.items()}
        self._part = [stamp.ns for stamp in stamps.get(self.topic, [])[choice.start:choice.stop]]
        self.truth = self._truth(dataset, stamps, roles)
        self._pictures = None
        if 'pictures' in roles:
            there = {stamp.ns for stamp in stamps[roles['pictures']]}
            self._pictures = TopicByStamp(bag, roles['pictures'], there.intersection(self._part),
                                          self._messages['pictures'])

    def _truth(self, dataset: Optional[Dataset], stamps: Dict[str, List[Stamp]],
               roles: Dict[str, str]) -> Union[FolderTruth, TopicTruth]:
        choice, frames = self.choice, stamps.get(self.topic, [])
        if dataset is not None:
            return FolderTruth(dataset, frames, self.entries, choice.offset_s)
        annotated = [stamp.ns for stamp in stamps[roles['truth']]]
        if len(set(annotated)) < len(annotated) and not choice.start:
            self.bag.tell(SEVERAL.format(roles['truth']))
        found, matching = plan([stamp.ns for stamp in frames], annotated, choice.within_ms)
        if not choice.start:
            for line in alone([stamp.ns for stamp in frames], set(annotated).difference(found.values())):
                self.bag.tell(f'{roles["truth"]}: {line}')
        wanted = [found[stamp] for stamp in self._part if stamp in found]
        by_stamp = TopicByStamp(self.bag, roles['truth'], wanted, self._messages['truth'])
        instances = None
        if 'instances' in roles:
            there = {stamp.ns for stamp in stamps[roles['instances']]}
            instances = TopicByStamp(self.bag, roles['instances'], there.intersection(wanted),
                                     self._messages['instances'])
        return TopicTruth(by_stamp, found, len(set(annotated)), matching, self.true, choice.truth_ids,
                          instances)

    def frames(self, coverage: Coverage, predicted: Optional[ClassTable] = None) -> Iterator[Frame]:
        """Yield the frames; what is lost, doubled or unreadable goes into `coverage`.

        `predicted` is the coding of the predictions, where those are read.
        """
        choice, seen = self.choice, 0
        met: Set[int] = set()
        for place, message in enumerate(self.bag.images(self.topic, self._messages['frames'])):
            if choice.stop is not None and place >= choice.stop:
                break
            is_new = message.stamp_ns not in met
            met.add(message.stamp_ns)
            if place < choice.start:
                continue
            seen += 1
            try:
                if not is_new:
                    coverage.frames_in += 1
                    coverage.drop('duplicate')
                    coverage.tell(SEVERAL.format(self.topic))
                    continue
                yield self._frame(message, predicted, coverage)
            except InputError as error:
                coverage.frames_in += 1
                coverage.drop('refused')
                coverage.tell(str(error))
        self._account(coverage, seen)

    def _frame(self, message: ImageMessage, predicted: Optional[ClassTable], coverage: Coverage) -> Frame:
        image, order, prediction, truth = None, 'rgb', None, None
        try:
            truth = self.truth.find(message)
        except InputError as error:
            coverage.tell(f'ground truth: {error}')
        if self.choice.predictions:
            prediction = message.labels(predicted or self.true)
            picture = self._pictures.find(message.stamp_ns) if self._pictures else None
            if picture is not None:
                image, order = picture.image()
        else:
            image, order = message.image()
        entry = self.entries.get(message.stamp_ns) if self.entries else None
        name = (truth and truth.name) or (entry and entry.name) or sidecar.seconds(message.stamp_ns)
        sequence = (truth and truth.sequence) or (entry and entry.sequence) or self.bag.path.name
        return Frame(name, sequence, message.stamp_ns / 1e9, image, order, prediction,
                     truth.labels if truth else None, truth.instances if truth else None)

    def _account(self, coverage: Coverage, seen: int) -> None:
        """Add what is known at the end of the bag: frames that were lost, truth without a frame."""
        count, choice = self.bag.topics[self.topic].count, self.choice
        expected = max(min(count, count if choice.stop is None else choice.stop) - choice.start, 0)
        if count >= 0 and seen < expected:
            coverage.frames_in += expected - seen
            coverage.drop('damaged', expected - seen)
            coverage.tell(f'{self.topic}: {expected - seen} of {expected} messages could not be read')
        if choice.start == 0:       # of several parts, the first one counts the truth
            coverage.truth_frames += self.truth.total()
            coverage.truth_without_prediction += self.truth.total()
        coverage.truth_without_prediction -= self.truth.found
        coverage.matching = dict(self.truth.matching)
        for problem in list(self.bag.problems) + [p for p in self._damage if p not in self.bag.problems]:
            coverage.tell(problem, max(self.bag.problems.get(problem, 0), self._damage.get(problem, 0)))


def frame_topic(bag: Bag, choice: Choice) -> str:
    """Return the topic whose messages are the frames: predictions or images. InputError where it is none."""
    return bag.image_topic(choice.predictions or choice.image or topics.image_topic(bag)).name


def _sidecar(bag: Bag, choice: Choice) -> Dict[int, sidecar.Entry]:
    if choice.sidecar is not None:
        return sidecar.read(choice.sidecar)
    beside = Path(str(bag.path)) / sidecar.NAME
    return sidecar.read(beside) if beside.is_file() else {}
