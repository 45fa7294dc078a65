"""The pages of the λ explorer; they read through `nercc_tune` only."""
