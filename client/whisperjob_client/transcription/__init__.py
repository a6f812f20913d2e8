"""From a recording to a transcript: upload, recognise, diarize, merge, with a checkpoint to go on from."""
