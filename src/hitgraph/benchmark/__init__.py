"""How long a pipeline takes and how much memory it needs, stage by stage, with what it finds."""
