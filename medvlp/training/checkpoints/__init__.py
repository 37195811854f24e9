"""The state of a run on disk: tensors as safetensors, all else as plain JSON, hash-checked."""
