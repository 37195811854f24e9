"""Image-caption pairs into shards: plan, work in parts that survive a kill, publish, verify."""
