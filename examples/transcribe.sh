#!/bin/bash
# Makes subtitles and a transcript with speakers beside a recording. Needs GROQ_API_KEY, or WHISPERJOB_ASR_URL for a
# recogniser of your own (and WHISPERJOB_ASR_API_KEY, if that needs a key), and a service with a diarizer (else leave out
# --diarize). After an interruption, start it again.
set -euo pipefail
python3 -m whisperjob_client transcribe "$1" --format srt --format md --diarize --language "${2:-en}"
