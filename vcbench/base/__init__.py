"""What everything else stands on: errors, files, settings, worker processes, the console. It knows nothing of speech."""
