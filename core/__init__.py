"""Settings, backends, time, ids, errors: the layer above delivery/."""
