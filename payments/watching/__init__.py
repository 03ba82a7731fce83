"""How the desk itself is doing: trouble told once, until it is over."""
