"""The optimizer: turns any recording into MP3s made for speech recognition, with ffmpeg."""
