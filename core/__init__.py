"""The floor above delivery/: settings, storage, time, ids, errors. Knows nothing of roadmaps."""
