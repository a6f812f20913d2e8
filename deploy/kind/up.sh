#!/usr/bin/env bash
# Runs the service on kind: builds the images with docker, loads them, and installs or upgrades the chart.
# Needs docker (with a registry for the base images), kind, kubectl, helm. Ends with: kind delete cluster --name whisperjob
# CLUSTER (whisperjob), PORT (8080): where the API listens on 127.0.0.1, until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."
cluster=${CLUSTER:-whisperjob} port=${PORT:-8080}
registry=localhost/whisperjob
for program in docker kind kubectl helm; do
    command -v "$program" >/dev/null || { echo "deploy/kind/up.sh needs $program" >&2; exit 1; }
done

# Every build has a tag of its own, so that an upgrade uses the new images.
tag=$(date -u +%Y%m%d%H%M%S)
images/build --registry "$registry" --tag "$tag" api operator optimizer minio
kind get clusters 2>/dev/null | grep -qx "$cluster" ||
    kind create cluster --name "$cluster" --config deploy/kind/cluster.yaml --wait 120s
for name in api operator optimizer minio; do
    kind load docker-image --name "$cluster" "$registry/$name:$tag"
done
kubectl="kubectl --context kind-$cluster -n whisperjob"
helm upgrade --install wj charts/whisperjob --kube-context "kind-$cluster" --namespace whisperjob --create-namespace \
    --set "image.registry=$registry,image.tag=$tag,minio.enabled=true,minio.image=$registry/minio:$tag" \
    --set worker.cpuRequest=250m --wait --timeout 5m

key=$($kubectl get secret wj-whisperjob-api-keys -o jsonpath='{.data.api-keys}' | base64 -d)
cat <<TEXT

  $kubectl get wj -w

  URL=http://127.0.0.1:$port
  KEY=$key
  curl -sf \$URL/whisper_optimize -H "X-API-Key: \$KEY" -F file=@talk.mp4

Ctrl-C ends the forwarding; kind delete cluster --name $cluster ends the rest.
TEXT
# shellcheck disable=SC2086 # several words
exec $kubectl port-forward service/wj-whisperjob-api "$port:80"
