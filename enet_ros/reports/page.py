"""Fills a template: one HTML page that needs nothing else, not even a network."""

from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / 'templates'


def render(template: str, **values: Any) -> str:
    """Return the page of a template in templates/, its `style` the common one."""
    import jinja2

    from . import tables
    from .comparison import signed
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(str(TEMPLATES)), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(percent=tables.cell, signed=signed, ms=_ms)
    style = (TEMPLATES / 'report.css').read_text(encoding='utf-8')
    return environment.get_template(template).render(style=style, **values)


def _ms(value: Any) -> str:
    return f'{value:.1f}' if isinstance(value, (int, float)) else 'n/a'
