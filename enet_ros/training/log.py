"""What a training run shows: a progress bar, log.csv and a plot of its curves."""

import csv
from pathlib import Path
import sys
from typing import Any, Dict, List

from ..classes import ClassTable


class Log:
    """One row an epoch in log.csv, and curves.png drawn from it."""

    def __init__(self, folder: Path, classes: ClassTable) -> None:
        self.path = folder / 'log.csv'
        self._names = list(classes.names)
        self._columns = ['epoch', 'stage', 'loss', 'lr', 'seconds', 'mean_iou'] + self._names

    def bar(self, total: int, done: int, silent: bool = False) -> Any:
        """Return a tqdm bar over all steps: rate, time left, loss; sparse lines where it is no terminal."""
        from tqdm import tqdm
        terminal = sys.stderr.isatty()
        return tqdm(total=total, initial=done, desc='training', unit='step', dynamic_ncols=True,
                    mininterval=0.2 if terminal else 30.0, disable=silent)

    def add(self, row: Dict[str, Any]) -> None:
        """Append an epoch."""
        flat = {key: _short(value) for key, value in row.items() if key != 'class_iou'}
        flat.update({name: _short(value) for name, value in (row.get('class_iou') or {}).items()})
        rows = read(self.path) + [flat]
        self._write(rows)
        draw(rows, self.path.with_name('curves.png'))

    def keep(self, epochs: int) -> None:
        """Drop rows after epoch `epochs`: a run that ended between log and checkpoint repeats them."""
        self._write([row for row in read(self.path) if int(row['epoch']) <= epochs])

    def _write(self, rows: List[Dict[str, Any]]) -> None:
        partial = self.path.with_suffix('.partial')
        with partial.open('w', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(self.path)


def read(path: Path) -> List[Dict[str, Any]]:
    """Return a log's rows, none where there is no file yet."""
    if not path.is_file():
        return []
    with path.open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def draw(rows: List[Dict[str, Any]], path: Path) -> None:
    """Plot loss, learning rate and validation IoU against epochs into a PNG."""
    from matplotlib.figure import Figure
    epochs = [int(row['epoch']) for row in rows]
    figure = Figure(figsize=(8, 6), layout='constrained')
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.plot(epochs, [float(row['loss']) for row in rows], color='tab:blue', label='training loss')
    upper.set_ylabel('loss')
    rate = upper.twinx()
    rate.plot(epochs, [float(row['lr']) for row in rows], color='tab:grey', lw=0.8, label='learning rate')
    rate.set_ylabel('learning rate')
    scored = [row for row in rows if row.get('mean_iou')]
    if scored:
        lower.plot([int(row['epoch']) for row in scored], [float(row['mean_iou']) for row in scored],
                   color='tab:green', marker='.', label='mean IoU, validation')
        lower.legend(loc='lower right')
    lower.set_xlabel('epoch')
    lower.set_ylabel('mean IoU')
    lower.set_ylim(0, 1)
    lower.grid(True, alpha=0.3)
    upper.legend(loc='upper right')
    figure.savefig(str(path), dpi=100)


def _short(value: Any) -> Any:
    return f'{value:.6g}' if isinstance(value, float) else value
