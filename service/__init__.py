"""The application: settings, assembly, the loop, its two steps and their state."""
