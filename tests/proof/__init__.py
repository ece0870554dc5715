"""The proof that what is acknowledged is there once, in order, and that what is shown is what is stored."""
