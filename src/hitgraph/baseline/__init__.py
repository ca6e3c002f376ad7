"""The traditional chain through pyacts, to stand beside ours (extra `sim`)."""
