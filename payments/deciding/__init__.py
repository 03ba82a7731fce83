"""What a person must decide, one by one or many at once."""
