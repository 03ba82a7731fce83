"""The live page, from totals that are kept in the payment's own transaction."""
