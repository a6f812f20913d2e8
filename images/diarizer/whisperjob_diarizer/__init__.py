"""The diarizer: who speaks when. Behind the port, pyannote_diarizer imports torch and pyannote where it loads a model;
only speaker_pipeline, campplus and onnx_campplus import torch and numpy at their top."""
