"""Settings, backends, time, ids, errors: the layer above reliable_queue/."""
