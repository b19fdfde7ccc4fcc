"""The composition root: settings, URLs, processes. It alone knows every app."""
