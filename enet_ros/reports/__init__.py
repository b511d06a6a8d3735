"""Reports: a result of an evaluation as one HTML file, as CSV, and what makes it reproducible."""
