"""What leaves the desk: mail, notifications to other systems, chat; queued, sent, retried, shown."""
