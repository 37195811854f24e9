"""The experiment behind ``benchmarks.renal_recipe``."""
