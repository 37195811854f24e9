"""DeViDe's recipe on phantom chest X-rays: findings seen, findings described only, and where."""
