"""Personal data: where it is, how long it stays, and what people may ask about their own."""
