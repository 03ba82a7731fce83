"""What is stored: money, tables, sessions, migrations. The cellar knows nothing of the rules above it."""
