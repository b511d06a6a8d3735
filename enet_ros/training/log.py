"""What a training run shows: a progress bar, log.csv and a plot of its curves."""

import csv
from pathlib import Path
import sys
import time
from typing import Any, Dict, List

from ..classes import ClassTable
from ..files import put


class Log:
    """One row an epoch in log.csv, and curves.png drawn from it now and then."""

    def __init__(self, folder: Path, classes: ClassTable) -> None:
        self.path = folder / 'log.csv'
        self._names = list(classes.names)
        self._next_plot = 0.0
        self._columns = ['epoch', 'stage', 'loss', 'lr', 'seconds', 'mean_iou'] + self._names

    def bar(self, total: int, done: int, silent: bool = False) -> Any:
        """Return a tqdm bar over all steps: rate, time left, loss; sparse lines where it is no terminal."""
        from tqdm import tqdm
        terminal = sys.stderr.isatty()
        return tqdm(total=total, initial=done, desc='training', unit='step', dynamic_ncols=True,
                    mininterval=0.2 if terminal else 30.0, disable=silent)

    @staticmethod
    def advance(bar: Any, epoch: int, loss: float) -> None:
        """Count a step on the bar."""
        bar.set_postfix(epoch=epoch, loss=f'{loss:.3f}', refresh=False)
        bar.update()

    @staticmethod
    def say(text: str) -> None:
        """Print a line above the bar."""
        from tqdm import tqdm
        tqdm.write(text, file=sys.stderr)

    def add(self, row: Dict[str, Any]) -> None:
        """Append an epoch, or the score of the finished weights."""
        flat = {key: _short(value) for key, value in row.items() if key != 'class_iou'}
        flat.update({name: _short(value) for name, value in (row.get('class_iou') or {}).items()})
        self._write(read(self.path) + [flat])
        if time.monotonic() > self._next_plot:
            self.plot()

    def plot(self) -> None:
        """Draw curves.png; that takes half a second, so `add` does it at most every ten."""
        draw(read(self.path), self._names, self.path.with_name('curves.png'))
        self._next_plot = time.monotonic() + 10

    def keep(self, epochs: int) -> None:
        """Drop rows after epoch `epochs`: a run that ended between log and checkpoint repeats them."""
        self._write([row for row in read(self.path) if int(row['epoch']) <= epochs and row['loss']])

    def _write(self, rows: List[Dict[str, Any]]) -> None:
        partial = self.path.with_suffix('.partial')
        with partial.open('w', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        put(partial, self.path)


def read(path: Path) -> List[Dict[str, Any]]:
    """Return a log's rows, none where there is no file yet."""
    if not path.is_file():
        return []
    with path.open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def draw(rows: List[Dict[str, Any]], names: List[str], path: Path) -> None:
    """Plot loss and learning rate, and each class's validation IoU, against epochs into a PNG."""
    import matplotlib
    from matplotlib.figure import Figure
    figure = Figure(figsize=(9, 7), layout='constrained')
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    trained = [row for row in rows if row.get('loss')]
    epochs = [int(row['epoch']) for row in trained]
    upper.plot(epochs, [float(row['loss']) for row in trained], color='tab:blue', label='training loss')
    upper.set_ylabel('loss')
    rate = upper.twinx()
    rate.plot(epochs, [float(row['lr']) for row in trained], color='tab:grey', lw=0.8)
    rate.set_ylabel('learning rate (grey)')
    scored = [row for row in rows if row.get('mean_iou')]
    colours = matplotlib.colormaps['tab20']
    for place, name in enumerate(['mean_iou'] + names):
        points = [(int(row['epoch']), float(row[name])) for row in scored if row.get(name)]
        look = {'color': 'black', 'lw': 2} if not place else {'color': colours((place - 1) % 20), 'lw': 1}
        if points:
            lower.plot(*zip(*points), marker='.', label=name.replace('mean_iou', 'mean'), **look)
    if scored:
        lower.legend(loc='center left', bbox_to_anchor=(1, 0.5), fontsize=8)
    lower.set_xlabel('epoch')
    lower.set_ylabel('IoU on the frames to score on')
    lower.set_ylim(0, 1)
    lower.grid(True, alpha=0.3)
    upper.legend(loc='upper right')
    figure.savefig(str(path), dpi=100)


def _short(value: Any) -> Any:
    return f'{value:.6g}' if isinstance(value, float) else value
