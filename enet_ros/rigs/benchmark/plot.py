"""Time against pixels, drawn."""

from pathlib import Path
from typing import Any, Dict, List

from .report import NAMES


def plot(result: Dict[str, Any], path: Path) -> None:
    """Draw milliseconds a frame against megapixels, a line for each network and engine, as PNG."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(8, 5.5))
    lines: Dict[Any, List[Dict[str, Any]]] = {}
    for row in result['times']:
        lines.setdefault((row['network'], row['engine'], row['peer']), []).append(row)
    colours: Dict[str, str] = {}
    for (network, engine, peer), rows in lines.items():
        medians = [row['median_ms'] for row in rows]
        spread = [[row['median_ms'] - row['p10_ms'] for row in rows],
                  [row['p90_ms'] - row['median_ms'] for row in rows]]
        axes.errorbar([row['height'] * row['width'] / 1e6 for row in rows], medians, spread,
                      color=colours.setdefault(engine, f'C{len(colours)}'), capsize=3, marker='o',
                      linestyle='--' if network == 'segnet' else '-', alpha=0.6 if peer else 1.0,
                      label='{}, {}{}'.format(NAMES[network], engine, ' (peer)' if peer else ''))
    axes.set(xscale='log', yscale='log', xlabel='megapixels', ylabel='ms a frame (median, p10..p90)',
             title='{}, {} cores'.format(result['machine']['processor'], result['machine']['cores']))
    axes.grid(True, which='both', alpha=0.25)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(str(path), dpi=120)
    pyplot.close(figure)
