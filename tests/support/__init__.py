"""What several tests need: a whole service in process, and browsers that log in to it."""
