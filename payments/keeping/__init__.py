"""The desk kept: backups and their copies, put back, moved, brought to a release; keys and what they seal."""
