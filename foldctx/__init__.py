"""Context-folding decoder for diffusion language models."""
