"""What the detector saw: tables, files, geometry, truth."""
