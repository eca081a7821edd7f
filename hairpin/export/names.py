"""What an exported file's inputs and outputs are called, in ONNX and in torch."""

from __future__ import annotations

IMAGE = "image"
COMMAND = "command"
PROBABILITIES, MEAN = "probabilities", "mean"
OUTPUTS = (PROBABILITIES, MEAN)  # the policy's own output, of which a file has one
PROPERTY = "hairpin"  # of the ONNX metadata: what the model is, as JSON
