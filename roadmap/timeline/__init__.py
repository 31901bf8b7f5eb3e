"""The timeline of a roadmap: read (trace), told as spans (making, span_tries, spans), and summed (intervals)."""
