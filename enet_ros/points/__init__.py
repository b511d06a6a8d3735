"""Labels in space: which point each labelled pixel shows, and what is not known about it."""
