"""Classification, retrieval and survival metrics with intervals."""
