"""The ground floor: settings, storage, time, ids, errors. Knows nothing of roadmaps."""
