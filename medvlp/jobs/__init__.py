"""Many cases, one at a time, on a machine and a file system that may fail.

``runner`` maps a function over items and resumes where it stopped; ``leases`` shares the items
among processes and hosts; ``journal`` writes down what happened; ``workers`` runs a function in a
process of its own with limits of memory and time (``child`` is what runs there, ``messages`` what
goes between); ``progress`` shows how far it is.
"""
