"""What learning stages share: settings, samples, lessons; no Lightning."""
