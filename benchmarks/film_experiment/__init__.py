"""The recipe for radiographs on real films: views, projections, and one diagnosis."""
