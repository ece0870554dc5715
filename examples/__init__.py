"""Apps to start from. Each runs at once, on the development directory."""
