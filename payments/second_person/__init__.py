"""What one person asks for and another allows: approvals, their mails, and the deeds that take two."""
