"""What must always hold, and who changed what: the audit, its chain, and what the database guards itself."""
