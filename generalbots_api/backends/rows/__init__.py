"""Values of the rooms as rows of tables, the same in every SQL database."""
