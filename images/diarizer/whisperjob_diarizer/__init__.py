"""The diarizer: who speaks when. Only `pipeline`, `speakers` and `campplus` may import torch, pyannote and numpy."""
