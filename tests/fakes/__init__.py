"""Stand-ins that keep state: a test looks at what has become, not at what was called."""
