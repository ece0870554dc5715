"""Hypercorn's protocols on connections of our own: what a client may cost is bounded here."""
