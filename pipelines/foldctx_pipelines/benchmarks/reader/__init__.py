"""The embedded reader's own evaluation: needles, worlds in books, lookups, the samples."""
