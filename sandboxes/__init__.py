"""Places where guest code runs, one folder or file for each kind, and the cell round them."""
