#!/bin/bash
# Uploads a recording, waits for its MP3s and fetches them into ./out. Needs curl, and python3 to read JSON.
set -euo pipefail
file=$1
url=${WHISPERJOB_URL:-http://127.0.0.1:8080}
api() { curl -sS --fail-with-body --retry 5 -H "X-API-Key: $WHISPERJOB_API_KEY" "$@"; }
get() { python3 -c "import json, sys; job = json.load(sys.stdin); print($1)"; }

job=$(api -F "file=@$file" "$url/whisper_optimize" | get 'job["jobId"]')
status=queued
while [ "$status" = queued ] || [ "$status" = processing ]; do
    sleep 2
    status=$(api "$url/job/$job" | get 'job["status"]') # an error ends the script
done

mkdir -p out
api "$url/job/$job" | get '"\n".join(c["filename"] for c in job.get("chunks", []))' | while read -r name; do
    if [ -n "$name" ]; then api -o "out/$name" "$url/job/$job/download/$name" && echo "out/$name"; fi
done
api "$url/job/$job" | get 'job.get("error") or "done"'
