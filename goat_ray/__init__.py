"""goat-ray: tool-use training data from API documents, on Ray (method: GOAT, arXiv 2510.12218)."""

__version__ = "0.1.0"
