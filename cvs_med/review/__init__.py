"""Reviews of a finished run by readers: what they said, the masks they drew, and how far they agree."""
