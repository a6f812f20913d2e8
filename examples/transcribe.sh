#!/bin/bash
# A recording to subtitles and a transcript with names, beside it. Needs GROQ_API_KEY, or WHISPERJOB_ASR_URL for a
# recogniser of your own (then WHISPERJOB_ASR_API_KEY, if it wants a key). Broken off, just start it again.
set -euo pipefail
python3 -m whisperjob_client transcribe "$1" --format srt --format md --diarize --language "${2:-en}"
