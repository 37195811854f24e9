"""Strict, typed files that several parts read or write: tasks and run folders."""
