"""How fast the board pushes, to how many, at what cost."""
