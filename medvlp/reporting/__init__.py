"""Draw what was found: overlays, GeoJSON and the report page."""
