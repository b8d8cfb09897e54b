"""What the guard says of itself: metrics for Prometheus, spans for OpenTelemetry."""
