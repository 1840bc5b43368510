"""Values of Python as bytes and back: a structured clone."""
