"""Events and what they ask for: prices, seats, codes, other currencies, and amounts that change later."""
